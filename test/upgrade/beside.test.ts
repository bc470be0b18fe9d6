import { createConnection } from 'mysql2/promise';
import { beforeAll, expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { runBinary, startBinary, type BinaryOptions } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { until } from '../support/until.js';
import { compareAll } from '../support/whole.js';
import { buildPreviousVersion } from './previous-version.js';
import { days, loadWeek } from './support.js';

// The schema is migrated while processes of the previous version are at work.

let previous: string;
beforeAll(async () => {
  previous = await buildPreviousVersion();
});

const SLOW = { batchSize: 10, limits: { sourceRequestsPerSecond: 8 } };
const FAST = { batchSize: 10 };

/** A week of messages, and a slow process of the previous version that has completed the first of their batches. */
async function slowlyProcessed() {
  const week = await loadWeek(280);
  const project = await makeProject({ indices: week.indices, settings: SLOW });
  const before: BinaryOptions = { ...project, binary: previous };
  const extracted = await runBinary(['extract', ...days(1, 7)], before);
  expect(extracted.code, extracted.stderr).toBe(0);
  const processing = startBinary(['process', '--concurrency', '1'], before);
  await until(async () => (await completed(project)) > 0, 'the first batch');
  await project.configure(FAST);
  return { week, project, processing };
}

async function completed(project: Project, condition = 'TRUE'): Promise<number> {
  const done = await query(project, `SELECT 1 FROM batch_progress WHERE status = 'completed' AND ${condition}`); // prettier-ignore
  return done.length;
}

it('both versions share the work, and nothing is lost', async () => {
  const { week, project, processing } = await slowlyProcessed();
  const migrated = await runBinary(['db', 'migrate'], project);
  expect(migrated.code, migrated.stderr).toBe(0);
  const early = await completed(project);
  // One batch each time, until the older process has completed another one with the new schema, too.
  let ours = 0;
  while ((await completed(project, 'joins_hash IS NULL')) === early || ours === 0) {
    const one = await runBinary(['process', '--max-batches', '1', '--json'], project);
    expect(one.code, one.stderr).toBe(0);
    ours = await completed(project, 'joins_hash IS NOT NULL');
    expect(processing.child.exitCode).toBeNull();
  }
  const run = await runBinary(['run', ...days(1, 7), '--json'], project);
  expect(run.code, run.stderr).toBe(0);
  const ended = await processing.ended;
  // 4: the last batches were the other version's.
  expect([0, 4], ended.stderr).toContain(ended.code);

  const verified = await runBinary(['verify', '--level', 'content', '--json'], project);
  expect(verified.code, verified.stderr).toBe(0);
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, checked: 280 });
  const whole = await compareAll(project, week.expected, { layout: 'message' });
  expect(whole).toMatchObject({ wrong: [], orphans: [], takeovers: 0 });
}, 300_000);

it('a transaction that is left open stops the migration, and nobody else', async () => {
  const { week, project, processing } = await slowlyProcessed();
  // As a backup does, for hours.
  const { host, port, user, password, database } = project.database;
  const backup = await createConnection({ host, port, user, password, database });
  await backup.query('START TRANSACTION');
  await backup.query('SELECT COUNT(*) FROM batch_progress, job_runs');

  const migrating = startBinary(['db', 'migrate'], project);
  const waiting = `SELECT 1 FROM information_schema.processlist
    WHERE db = DATABASE() AND info LIKE 'ALTER TABLE%' AND state LIKE '%metadata lock%'`;
  await until(async () => (await query(project, waiting)).length > 0, 'the wait for the table');
  const early = await completed(project);
  await until(async () => (await completed(project)) > early, 'a batch beside it');
  expect(migrating.child.exitCode).toBeNull();
  const refused = await migrating.ended;
  expect(refused.code, refused.stderr).toBe(4);
  expect(refused.stderr).toMatch(
    /^es-migrate: the schema is not migrated: a transaction of another connection has kept table job_runs in use/m,
  );
  await backup.end();

  const run = await runBinary(['run', ...days(1, 7)], project);
  expect(run.code, run.stderr).toBe(0);
  const ended = await processing.ended;
  expect([0, 4], ended.stderr).toContain(ended.code);
  const whole = await compareAll(project, week.expected, { layout: 'message' });
  expect(whole).toMatchObject({ wrong: [], orphans: [], takeovers: 0 });
}, 300_000);
