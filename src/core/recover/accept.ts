import type { Connections } from '../connect.js';
import { usage } from '../errors.js';
import type { Run } from '../run.js';
import { acceptWindow, requireFailedWindow } from '../tracking/accepted-windows.js';
import {
  acceptFailed,
  countAcceptable,
  quoted,
  requireFailed,
  type AcceptScope,
  type CodeCount,
  type Settlement,
} from '../tracking/acceptances.js';
import { countBatches } from '../tracking/counters.js';
import { requireJob } from '../tracking/jobs.js';
import { ALL_JOBS, onlyJobs } from '../tracking/scope.js';
import type { AcceptOptions, AcceptOutcome } from './types.js';

/** The column has room for these, in characters. */
const LONGEST_REASON = 1000;

/**
 * Settles failed messages, or a window that could not be read whole, with a reason. They stay failed; no command tries them
 * again by itself or ends with exit code 3 because of them. What fails later is another failure, and not accepted.
 *
 * @throws MigrateError `usage` where nothing says which, a reason is missing, or what is named is unknown or has not failed;
 *   nothing was changed then
 */
export async function accept(
  run: Run,
  { database, settings }: Connections,
  options: AcceptOptions,
): Promise<AcceptOutcome> {
  const { jobId, windowId, errorCode, messageId, dryRun } = options;
  const settlement = checked(options);
  await requireJob(database, jobId);
  const scope: AcceptScope = { jobId, errorCode, messageId };
  let outcome: Pick<AcceptOutcome, 'byCode' | 'acceptedBefore' | 'windows' | 'windowsBefore'>;
  let notReached = 0;
  if (windowId !== undefined && jobId !== undefined) {
    const window = { jobId, windowId };
    const { accepted } = await requireFailedWindow(database, window);
    const isNew =
      !accepted &&
      (dryRun || (await acceptWindow(database, window, settlement, settings.settleMs)));
    outcome = {
      byCode: [],
      acceptedBefore: 0,
      windows: isNew ? 1 : 0,
      windowsBefore: isNew ? 0 : 1,
    };
  } else {
    if (messageId !== undefined) await requireFailed(database, { ...scope, messageId });
    const { open, accepted } = await countAcceptable(database, scope);
    if (errorCode !== undefined && open.length + accepted.length === 0)
      throw await unknownCode(database, { jobId }, errorCode);
    const byCode = dryRun
      ? open
      : await acceptFailed(database, scope, settlement, settings.batchSize, run.stop);
    notReached = Math.max(0, sum(open) - sum(byCode));
    outcome = { byCode, acceptedBefore: sum(accepted), windows: 0, windowsBefore: 0 };
  }
  const { messages } = await countBatches(
    database,
    jobId === undefined ? ALL_JOBS : onlyJobs([jobId]),
  );
  return {
    ...outcome,
    accepted: sum(outcome.byCode),
    failed: messages.failed,
    acceptedInAll: messages.accepted + (dryRun ? sum(outcome.byCode) : 0),
    ...(run.stop.aborted && { notReached }),
  };
}

/** The options' own contradictions. */
function checked({ jobId, windowId, errorCode, messageId, ...given }: AcceptOptions): Settlement {
  if ([jobId, windowId, errorCode, messageId].every((one) => one === undefined)) {
    throw usage(
      'nothing says which failures are accepted',
      'Give --job, --error, --id, or --job with --window; "es-migrate errors" lists what failed.',
    );
  }
  if (windowId !== undefined && jobId === undefined)
    throw usage('a window belongs to a job', 'Give --job together with --window.');
  if (windowId !== undefined && (errorCode !== undefined || messageId !== undefined)) {
    throw usage(
      'a window has neither an error code nor a message id',
      'Accept the window and the messages by two commands.',
    );
  }
  const reason = given.reason?.replaceAll(/\s+/g, ' ').trim() ?? '';
  if (reason === '' && !given.dryRun)
    throw usage('no reason is given', 'Give --reason: it is kept with the failure.');
  if (reason.length > LONGEST_REASON) {
    throw usage(
      `the reason has ${reason.length} characters`,
      `Give --reason in at most ${LONGEST_REASON}.`,
    );
  }
  return { reason, by: given.by };
}

async function unknownCode(
  database: Connections['database'],
  scope: AcceptScope,
  code: string,
): Promise<Error> {
  const { open, accepted } = await countAcceptable(database, scope);
  const codes = [...new Set([...open, ...accepted].map((one) => one.code))];
  const where = scope.jobId === undefined ? '' : ` of job ${scope.jobId}`;
  return usage(
    `no message${where} failed with ${quoted(code)}`,
    codes.length === 0
      ? 'No message is failed.'
      : `Messages failed with ${codes.map((code) => `"${code}"`).join(', ')}.`,
  );
}

function sum(counts: readonly CodeCount[]): number {
  return counts.reduce((total, { messages }) => total + messages, 0);
}
