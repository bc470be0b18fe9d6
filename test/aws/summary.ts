import { appendFile } from 'node:fs/promises';

/** Gets a line of JSON for each run. */
const FILE = process.env['ES_MIGRATE_TEST_SUMMARY'];

/** Shows what a long run came to, for deploy/README.md. */
export async function summarise(figures: object): Promise<void> {
  const line = JSON.stringify(figures);
  console.log(line);
  if (FILE !== undefined) await appendFile(FILE, `${line}\n`);
}
