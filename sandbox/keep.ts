import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMigrateError } from '../src/core/errors.js';
import { sandboxConfig, sandboxEnvironment } from './environment.js';
import { startSandbox } from './index.js';
import { createSampleIndices, lastFullWeek, loadSample } from './sample.js';

const MESSAGES = 2_000;

/** `npm run sandbox`: keeps the servers up, with sample messages, until Ctrl-C. */
async function keep(): Promise<void> {
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  // The export lines go to stdout, everything else to stderr, so that a shell can read the former.
  const report = (line: string) => console.error(line);
  const sandbox = await startSandbox({ report });
  try {
    const { from, to } = lastFullWeek(new Date());
    await createSampleIndices(sandbox.elasticsearch.url);
    await loadSample(sandbox.elasticsearch.url, { messages: MESSAGES, from, to, report });
    const config = join(sandbox.dir, 'es-migrate.yaml');
    const startDate = from.toISOString().slice(0, 10);
    await writeFile(config, sandboxConfig(sandbox, { startDate }));
    for (const [name, value] of Object.entries(sandboxEnvironment(sandbox))) {
      console.log(`export ${name}='${value}'`);
    }
    report(`The lines above are for another shell. There: es-migrate run --config ${config}`);
    report(
      `The objects will lie in ${join(sandbox.s3.dataDir, sandbox.s3.bucket)}. Ctrl-C ends it.`,
    );
    await stopped;
  } finally {
    await sandbox.stop();
  }
}

try {
  await keep();
} catch (error) {
  console.error(isMigrateError(error) ? `es-migrate: ${error.message}` : error);
  if (isMigrateError(error) && error.advice !== undefined) console.error(error.advice);
  process.exitCode = isMigrateError(error) ? 2 : 1;
}
