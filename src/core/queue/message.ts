/** What a message of the queue says: this batch waits to be carried. */
export interface BatchMessage {
  /** Of the tracking database that the batch is in: a queue may be fed by the wrong one. */
  readonly databaseId: string;
  readonly jobId: number;
  readonly batchId: number;
  /** The claim of the batch that it was sent for, from 1, as far as the sender knew. */
  readonly attempt: number;
  /** The sender knows how the claim before ended: for no fault of the batch. */
  readonly isExcused: boolean;
}

/** Raise it when an older reader would misunderstand. */
const VERSION = 1;

/** The body of a message, one line of JSON. */
export function bodyOf({ databaseId, jobId, batchId, attempt, isExcused }: BatchMessage): string {
  return JSON.stringify({
    esMigrate: VERSION,
    database: databaseId,
    job: jobId,
    batch: batchId,
    attempt,
    ...(isExcused && { excused: true }),
  });
}

/** Reads a body; `wrong` says why it is none of ours, in words for an operator. */
export function parseBody(body: string): BatchMessage | { readonly wrong: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { wrong: 'it is not JSON' };
  }
  if (typeof parsed !== 'object' || parsed === null || !('esMigrate' in parsed))
    return { wrong: 'it is no message of es-migrate' };
  const { esMigrate, database, job, batch, attempt, excused } = parsed as Record<string, unknown>;
  if (esMigrate !== VERSION)
    return { wrong: `it is of another version than ${VERSION}, which is known` };
  if (typeof database !== 'string' || database === '') return { wrong: 'it names no database' };
  if (!isCount(job)) return { wrong: 'it names no job' };
  if (!isCount(batch)) return { wrong: 'it names no batch' };
  return {
    databaseId: database,
    jobId: job,
    batchId: batch,
    attempt: isCount(attempt) ? attempt : 1,
    isExcused: excused === true,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
