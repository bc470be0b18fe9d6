import { bulkIndex, send } from '../../sandbox/sample/bulk.js';
import { createSampleIndices, sampleIndices } from '../../sandbox/sample.js';
import { change, query } from '../end-to-end/landed.js';
import { runBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

/** Ten messages a day, `day D/0` to `day D/9`, from the 1st to the 9th of October 2024, in batches of five. */
export interface Days {
  readonly project: Project;
  /** The messages' index. */
  readonly index: string;
}

export const PER_DAY = 10;
const SETTINGS = { batchSize: 5, limits: { sourceRequestsPerSecond: 0, sourceLoad: 0 } };

export async function days(settings: Record<string, unknown> = {}): Promise<Days> {
  const { url } = sandbox().elasticsearch;
  const indices = freshIndexPrefix();
  await createSampleIndices(url, indices);
  const index = sampleIndices(indices).messages;
  const documents = Array.from({ length: 9 * PER_DAY }, (_, i) => {
    const day = Math.floor(i / PER_DAY) + 1;
    const source = `{"timestamp":"2024-10-0${day}T10:00:00Z","text":"${i}"}`;
    return { index, id: `day ${day}/${i % PER_DAY}`, source };
  });
  await bulkIndex(url, documents);
  await send(url, `${index}/_refresh`, 'POST');
  const project = await makeProject({
    indices,
    layout: 'batch',
    settings: { ...SETTINGS, ...settings },
  });
  return { project, index };
}

/** Flags for a range of days of October 2024, both inclusive. */
export const range = (first: number, last: number): string[] => [
  ...['--from', `2024-10-0${first}`],
  ...['--to', `2024-10-0${last}`],
];

export async function extracted({ project }: Days, first: number, last: number): Promise<void> {
  const { code, stderr } = await runBinary(['extract', ...range(first, last)], project);
  if (code !== 0) throw new Error(stderr);
}

/** Claims so many pending batches of a job as a process on another host would, for so many seconds from now. */
export async function claimElsewhere(
  { project }: Days,
  job: number,
  batches: number,
  seconds: number,
): Promise<void> {
  await change(
    project,
    `UPDATE batch_progress SET status = 'in_progress', claims = claims + 1, lease_token = REPEAT('a', 32),
            lease_owner = 'elsewhere:1', lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL ${seconds} SECOND
     WHERE job_id = ${job} AND status = 'pending' ORDER BY batch_id LIMIT ${batches}`,
  );
  await change(
    project,
    `UPDATE message_tracking t JOIN batch_progress b ON b.batch_id = t.batch_id SET t.status = 'in_progress'
     WHERE b.status = 'in_progress' AND t.status = 'pending'`,
  );
}

/** As if all pending messages of a job had failed once, with that code: `missing` for good, `upload_failed` to be tried again. */
export async function fail(
  { project }: Days,
  job: number,
  code: 'missing' | 'upload_failed',
): Promise<void> {
  await change(
    project,
    `INSERT INTO message_errors (message_id, index_id, job_id, batch_id, stage, code, attempt, detail)
     SELECT t.message_id, t.index_id, b.job_id, t.batch_id, 'fetch', '${code}', 1, 'said the server' FROM message_tracking t
     JOIN batch_progress b ON b.batch_id = t.batch_id WHERE b.job_id = ${job} AND t.status = 'pending'`,
  );
  await change(
    project,
    `UPDATE message_tracking t JOIN batch_progress b ON b.batch_id = t.batch_id
     SET t.status = 'failed', t.attempts = 1, t.error_code = '${code}' WHERE b.job_id = ${job} AND t.status = 'pending'`,
  );
  await change(
    project,
    `UPDATE batch_progress SET status = 'failed', failed = total_messages, claims = 1 WHERE job_id = ${job} AND status = 'pending'`,
  );
}

/** Messages of a job by status. */
export async function statuses({ project }: Days, job: number): Promise<Record<string, number>> {
  const rows = await query(
    project,
    `SELECT t.status, COUNT(*) AS messages FROM message_tracking t JOIN batch_progress b ON b.batch_id = t.batch_id
     WHERE b.job_id = ${job} GROUP BY t.status`,
  );
  return Object.fromEntries(rows.map((row) => [String(row['status']), Number(row['messages'])]));
}

/** Gives back what `claimElsewhere` has claimed, as that process would. */
export async function giveBackElsewhere({ project }: Days): Promise<void> {
  await change(
    project,
    `UPDATE message_tracking t JOIN batch_progress b ON b.batch_id = t.batch_id SET t.status = 'pending'
     WHERE b.lease_owner = 'elsewhere:1' AND t.status = 'in_progress'`,
  );
  await change(
    project,
    `UPDATE batch_progress SET status = 'pending', lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL
     WHERE lease_owner = 'elsewhere:1'`,
  );
}
