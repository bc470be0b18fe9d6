import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sandboxConfig, sandboxEnvironment } from '../../sandbox/environment.js';
import { startSandbox, type Sandbox } from '../../sandbox/index.js';
import { createSampleIndices, lastFullWeek, loadSample } from '../../sandbox/sample.js';
import { withRun, type CommandContext, type OpenRun } from './context.js';
import { migrateSample } from './demo/migrate.js';
import { prove } from './demo/prove.js';
import { comparisonLines, documentLines, keepLines, NEXT_LINES } from './demo/report.js';
import { done, EXIT, type Verdict } from './exit-codes.js';
import { shownJson, shownLine } from './terminal/printable.js';
import { counted } from '../core/words.js';

export interface DemoOptions {
  /** How many messages to generate, 1 or more. */
  readonly messages: number;
  /** Keep the servers up afterwards, until stopped. */
  readonly keep: boolean;
}

const GONE_WRONG =
  'the demo did not end as it should, which is a bug; es-migrate demo --keep leaves the servers up to look into it';

/**
 * `es-migrate demo`: the whole job on throw-away real servers, and a proof that what landed is what was there.
 *
 * @returns code 3 when a message failed, or when an object differs from what it should be
 * @throws MigrateError `usage` where the servers can't be installed, built or started
 */
export async function demo(options: DemoOptions, context: CommandContext): Promise<Verdict> {
  return withRun(context, async (open) => {
    const { run, terminal } = open;
    const report = (message: string) => terminal.log({ level: 'info', message });
    report('starting Elasticsearch, MariaDB and an S3 server');
    const sandbox = await startSandbox({ report, stop: run.stop });
    try {
      return await wholeJob(options, sandbox, context, open);
    } finally {
      await sandbox.stop();
    }
  });
}

async function wholeJob(
  { messages, keep }: DemoOptions,
  sandbox: Sandbox,
  { globals, stdout, stderr }: CommandContext,
  { run, terminal }: OpenRun,
): Promise<Verdict> {
  const people = globals.json ? undefined : stdout;
  const tell = (lines: readonly string[]) => people?.write(`${lines.map(shownLine).join('\n')}\n`);

  const message = `making ${counted(messages, 'message')} with history, status and audit records`;
  terminal.log({ level: 'info', message });
  const week = lastFullWeek(new Date());
  const sample = { messages, ...week, stop: run.stop };
  const { url } = sandbox.elasticsearch;
  await createSampleIndices(url);
  const { related } = await loadSample(url, sample);

  const config = join(sandbox.dir, 'es-migrate.yaml');
  const startDate = week.from.toISOString().slice(0, 10);
  await writeFile(config, sandboxConfig(sandbox, { startDate }));
  const interval = { from: week.from.getTime(), to: week.to.getTime() };
  const migrated = await migrateSample(run, sandbox, config, interval);
  terminal.close();
  tell(migrated.lines);

  const proof = await prove(sandbox, sample, { keep, stop: run.stop });
  const { compared, equal } = proof.comparison;
  tell(['', ...comparisonLines(proof.chosen, proof.comparison)]);
  if (proof.document !== undefined) tell(['', ...(await documentLines(proof.document))]);
  tell(['', 'es-migrate verify --level content:', ...migrated.proof]);
  tell(['', ...NEXT_LINES]);
  if (globals.json) {
    const { completed, failed } = migrated;
    const document = proof.document ?? null;
    const verify = migrated.verify ?? null;
    const result = { messages, related, completed, failed, compared, equal, document, verify };
    stdout.write(`${shownJson(result)}\n`);
  }

  const good = migrated.verdict.code === EXIT.done && equal === compared;
  if (keep) {
    const objects = join(sandbox.s3.dataDir, sandbox.s3.bucket);
    const lines = keepLines(sandboxEnvironment(sandbox), config, objects);
    (people ?? stderr).write(`\n${lines.join('\n')}\n`);
    if (!run.stop.aborted) await once(run.stop, 'abort');
  }
  return good ? done : { code: EXIT.leftOver, next: GONE_WRONG };
}
