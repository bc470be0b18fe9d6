import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMigrateError, usage } from '../src/core/errors.js';
import { exportLines, sandboxConfig, sandboxEnvironment } from './environment.js';
import { startSandbox, USUAL } from './index.js';
import { createSampleIndices, lastFullWeek, loadSample } from './sample.js';

const MESSAGES = 2_000;

/** `npm run sandbox`: keeps the servers up, with sample messages, until Ctrl-C; a queue, too, with `-- --queue`. */
async function keep(wantsQueue: boolean, stop: AbortSignal): Promise<void> {
  // The export lines go to stdout, everything else to stderr, so that a shell can read the former.
  const report = (line: string) => console.error(line);
  report(`starting Elasticsearch, MariaDB and an S3 server${wantsQueue ? ', and a queue' : ''}`);
  const sandbox = wantsQueue
    ? await startSandbox({ servers: [...USUAL, 'sqs'], report, stop })
    : await startSandbox({ report, stop });
  try {
    const { from, to } = lastFullWeek(new Date());
    await createSampleIndices(sandbox.elasticsearch.url);
    report(`messages from ${from.toISOString()} to ${to.toISOString()}`);
    await loadSample(sandbox.elasticsearch.url, { messages: MESSAGES, from, to, report, stop });
    const config = join(sandbox.dir, 'es-migrate.yaml');
    const startDate = from.toISOString().slice(0, 10);
    await writeFile(config, sandboxConfig(sandbox, { startDate }));
    console.log(exportLines(sandboxEnvironment(sandbox)).join('\n'));
    report(`The lines above are for another shell. There: es-migrate run --config ${config}`);
    report(
      `The objects will lie in ${join(sandbox.s3.dataDir, sandbox.s3.bucket)}. Ctrl-C ends it.`,
    );
    if (!stop.aborted) await once(stop, 'abort');
  } finally {
    await sandbox.stop();
  }
}

function readFlags(): { queue: boolean } {
  try {
    return parseArgs({ options: { queue: { type: 'boolean', default: false } } }).values;
  } catch (error) {
    throw usage((error as Error).message, 'npm run sandbox -- [--queue]');
  }
}

const stopping = new AbortController();
// A second signal ends it at once, and the servers with it.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort());
try {
  await keep(readFlags().queue, stopping.signal);
} catch (error) {
  if (error !== stopping.signal.reason) {
    console.error(isMigrateError(error) ? `es-migrate: ${error.message}` : error);
    if (isMigrateError(error) && error.advice !== undefined) console.error(error.advice);
    process.exitCode = isMigrateError(error) ? 2 : 1;
  }
}
