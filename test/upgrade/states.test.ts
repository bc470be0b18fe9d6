import type { RowDataPacket } from 'mysql2/promise';
import { beforeAll, expect, it } from 'vitest';
import { change, query } from '../end-to-end/landed.js';
import { refusedByS3 } from '../faults/rules.js';
import { resume, startPaused } from '../hosts/paused.js';
import { runBinary, type BinaryOptions, type Ended } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { startHttpProxy, type Rule } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { compareAll } from '../support/whole.js';
import { buildPreviousVersion } from './previous-version.js';
import { days, deleteMessages, loadWeek } from './support.js';

// A tracking database with jobs in every state, left by the previous version, parts of which are still running.

let previous: string;
beforeAll(async () => {
  previous = await buildPreviousVersion();
});

it('takes over jobs in every state', async () => {
  const week = await loadWeek(280);
  const s3 = await startHttpProxy(sandbox().s3.endpoint);
  const elasticsearch = await startHttpProxy(sandbox().elasticsearch.url);
  const settings = {
    batchSize: 10,
    source: { url: elasticsearch.url },
    target: { endpoint: s3.url },
  };
  const project = await makeProject({ indices: week.indices, layout: 'batch', settings });
  const before: BinaryOptions = { ...project, binary: previous, preload: ['small-pages.mjs'] };
  const old = async (code: number, ...args: string[]) => ends(code, await runBinary(args, before));
  const now = async (code: number, ...args: string[]) => ends(code, await runBinary(args, project));
  const killedAt = async (step: string, ...args: string[]) => {
    const env = { ...project.env, ES_MIGRATE_TEST_STOP_AT: `SIGKILL ${step}` };
    const preload = ['small-pages.mjs', 'stop-at.mjs'] as const;
    ends(137, await runBinary(args, { ...before, env, preload }));
  };

  // Day 1 is done. Of day 2, two messages are gone at the source, and S3 has refused others.
  await old(0, 'extract', ...days(1));
  await old(0, 'process');
  await old(0, 'extract', ...days(2));
  const [one, two] = await query(project, "SELECT message_id FROM message_tracking WHERE status = 'pending'"); // prettier-ignore
  const putBack = await deleteMessages(week, [String(one?.['message_id']), String(two?.['message_id'])]); // prettier-ignore
  s3.use(refusingFirstObject());
  await old(3, 'process');
  s3.use(() => undefined);
  await killedAt('verify-checkpoint 2', 'verify', '--level', 'content');
  // Some of those that S3 refused are put back already, by a process that stands still before it goes on.
  await project.configure({ ...settings, batchSize: 5 });
  const retrying = await startPaused(['retry'], before, 'failed-requeued 1');
  await project.configure(settings);
  // A window of day 4 could not be read whole. Day 5 is half read, by a process that is gone; day 6 by one that stands still.
  await old(0, 'extract', ...days(3));
  elasticsearch.use(droppingLastHit());
  await old(3, 'extract', ...days(4));
  elasticsearch.use(() => undefined);
  await killedAt('page-stored 1', 'extract', ...days(5));
  await runOut(project, 'job_runs');
  const extracting = await startPaused(['extract', ...days(6)], before, 'page-stored 1');
  // A batch is held by a process that is gone, another one by one that stands still.
  const oneBatch = ['process', '--no-retry-failed', '--concurrency', '1', '--max-batches', '1'];
  await killedAt('batch-uploaded 1', ...oneBatch);
  await runOut(project, 'batch_progress');
  const processing = await startPaused(oneBatch, before, 'batch-uploaded 1');

  const asItWas = await query(project, 'SELECT * FROM batch_progress');
  // A dry run changes nothing, the schema included.
  await now(0, 'extract', ...days(7), '--dry-run');
  expect(await query(project, 'SELECT * FROM batch_progress')).toEqual(asItWas);
  expect((await now(0, 'db', 'migrate')).stdout).toMatch(/^applied 0007_\w+, 0008_/);
  expect((await old(2, 'process')).stderr).toMatch(
    /^es-migrate: the tracking database has schema version \d+, this es-migrate knows 6$/m,
  );
  await countsFit(project, json(await now(0, 'status', '--json')));
  // The verification that was killed half-way knew less: it is not gone on with.
  const verified = json(await now(3, 'verify', '--level', 'content', '--json'));
  expect(verified).toMatchObject({ ok: false, missing: 0, mismatched: 0 });
  expect(json(await now(0, 'reset-stuck', '--json'))).toMatchObject({
    batches: [{ owner: expect.any(String) as string }],
    extractions: [{ jobId: 5 }],
  });
  // What stood still in the middle of putting messages back puts the others back, too, by the older statements.
  resume(retrying);
  expect(ends(3, await retrying.ended).stdout).toMatch(
    /^(?:[6-9]|10) messages requeued; 2 stay failed/m,
  );
  const processed = json(await now(3, 'process', '--json'));
  expect(processed).toMatchObject({ failed: 0 });

  // Those that stood still go on with the new schema.
  for (const [running, code] of [
    [extracting, 0],
    [processing, 3],
  ] as const) {
    resume(running);
    ends(code, await running.ended);
  }
  await now(0, 'extract', ...days(4));
  await now(0, 'extract', ...days(5));
  await putBack();
  expect(json(await now(0, 'retry', '--error', 'missing', '--json'))).toMatchObject({
    requeued: 2,
  });

  // All of it is there; but indices of batches lie where the previous version wrote them.
  const run = json(await now(3, 'run', ...days(1, 7), '--json')) as { verify: object };
  const former = await completedBefore(project);
  expect(former.batches).toBeGreaterThan(4);
  expect(run.verify).toMatchObject({
    ok: false,
    missing: 0,
    mismatched: 0,
    orphaned: former.batches,
  });
  const repaired = await now(0, 'verify', '--repair');
  expect(repaired.stdout).toMatch(/beside its object; verify --repair moves it to _index\//);
  const proven = json(await now(0, 'verify', '--level', 'content', '--json'));
  expect(proven).toMatchObject({ ok: true, checked: 280, orphaned: 0 });
  await countsFit(project, json(await now(0, 'status', '--json')));
  const whole = await compareAll(project, week.expected, { layout: 'batch', errors: 12, jobs: 7 });
  expect(whole.wrong).toEqual([]);
  expect(whole.orphans).toEqual([]);
}, 600_000);

function ends(code: number, result: Ended): Ended {
  expect(result.code, result.stdout + result.stderr).toBe(code);
  return result;
}

function json({ stdout }: Ended): Record<string, unknown> {
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function runOut(project: Project, table: string): Promise<void> {
  const ago = 'NOW(6) - INTERVAL 1 SECOND';
  const held = 'lease_expires_at IS NOT NULL';
  await change(project, `UPDATE ${table} SET lease_expires_at = ${ago} WHERE ${held}`);
}

/** What `status` says is what the rows are; and of no message completed by the previous version are records counted. */
async function countsFit(project: Project, status: Record<string, unknown>): Promise<void> {
  const rows = await query(project, 'SELECT status, COUNT(*) AS n FROM message_tracking GROUP BY status'); // prettier-ignore
  const of = (name: string) => Number(rows.find((row) => row['status'] === name)?.['n'] ?? 0);
  expect(status['messages']).toMatchObject({
    pending: of('pending'),
    inProgress: of('in_progress'),
    completed: of('completed'),
    failed: of('failed'),
    accepted: 0,
  });
  const { messages } = await completedBefore(project);
  expect(status['related']).toMatchObject({
    history: { messages: of('completed') - messages, unknown: messages },
  });
}

/** What the previous version has completed. */
async function completedBefore(project: Project): Promise<{ batches: number; messages: number }> {
  const sum = 'CAST(SUM(processed) AS UNSIGNED)';
  const where = 'joins_hash IS NULL AND processed > 0';
  const sql = `SELECT COUNT(*) AS batches, ${sum} AS messages FROM batch_progress WHERE ${where}`;
  const [row] = await query<RowDataPacket & { batches: number; messages: number }>(project, sql);
  return { batches: row?.batches ?? 0, messages: row?.messages ?? 0 };
}

function refusingFirstObject(): Rule {
  let refused = false;
  return ({ method, url }) => {
    if (refused || method !== 'PUT' || !url.includes('/batches/')) return undefined;
    refused = true;
    return refusedByS3(400, 'InvalidRequest');
  };
}

/** Each page of ids lacks one: what is read is less than what is counted. */
function droppingLastHit(): Rule {
  return ({ url }) =>
    url.split('?')[0] !== '/_search'
      ? undefined
      : {
          do: 'change',
          change: (body) => {
            const answer = JSON.parse(body.toString()) as { hits: { hits: unknown[] } };
            answer.hits.hits.pop();
            const headers = { 'content-type': 'application/json' };
            return { status: 200, headers, body: JSON.stringify(answer) };
          },
        };
}
