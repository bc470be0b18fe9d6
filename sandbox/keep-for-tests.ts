import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { startSandbox, TEST_SERVERS } from './index.js';
import { writePrivateFile } from './private-file.js';

/**
 * `npm run sandbox:tests FILE`: keeps the servers of the tests up until Ctrl-C, and writes where they are into FILE. Tests that
 * find its path in ES_MIGRATE_TEST_SANDBOX use these servers and start none: a single test file then begins at once.
 */
async function keepForTests(file: string, stop: AbortSignal): Promise<void> {
  const report = (line: string) => console.error(line);
  const sandbox = await startSandbox({ servers: TEST_SERVERS, report, stop });
  try {
    const { elasticsearch, mysql, s3, sqs, aws } = sandbox;
    // It holds the throw-away servers' passwords.
    await writePrivateFile(file, JSON.stringify({ elasticsearch, mysql, s3, sqs, aws }));
    report(`export ES_MIGRATE_TEST_SANDBOX=${file}`);
    if (!stop.aborted) await once(stop, 'abort');
  } finally {
    await rm(file, { force: true });
    await sandbox.stop();
  }
}

const [, , file] = process.argv;
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort());
if (file === undefined) {
  console.error('es-migrate: name a file to write to: npm run sandbox:tests -- FILE');
  process.exitCode = 2;
} else await keepForTests(file, stopping.signal);
