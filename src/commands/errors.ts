import type { ErrorsReport, FailedMessage } from '../core/status/types.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import { oneLine } from '../core/one-line.js';
import { counted, grouped } from '../core/words.js';
import { table } from './terminal/table.js';

export interface ErrorsFlags {
  readonly job?: number;
  readonly limit: number;
}

/** `es-migrate errors`. */
export async function errors(
  { job, limit }: ErrorsFlags,
  context: CommandContext,
): Promise<Verdict> {
  return withConnections(
    context,
    { needs: { source: false, target: false } },
    () => undefined,
    async ({ run, on }) => {
      const core = await import('../core/index.js');
      const report = await core.errors(run, on, { jobId: job, limit });
      printResult(context, report, linesOf(report));
      return done;
    },
  );
}

function linesOf({ byCode, messages, truncated }: ErrorsReport): string[] {
  if (byCode.length === 0) return ['no message is failed'];
  const hasAccepted = byCode.some(({ accepted }) => accepted > 0);
  const codes = byCode.map(({ code, messages: count, accepted, permanent }) => [
    code,
    grouped(count),
    ...(hasAccepted ? [grouped(accepted)] : []),
    permanent || accepted === count
      ? remedyOf(code, accepted === count)
      : 'requeued while attempts are left',
  ]);
  const head = ['code', 'messages', ...(hasAccepted ? ['accepted'] : []), 'what puts them back'];
  const open = messages.filter(({ accepted }) => !accepted);
  const settled = messages.filter(({ accepted }) => accepted);
  return [
    ...table([head, ...codes]),
    '',
    ...open.map(messageLine),
    ...(settled.length > 0 ? ['', 'accepted:'] : []),
    ...settled.flatMap((message) => [messageLine(message), ...acceptedLine(message)]),
    ...(truncated ? [`the first ${counted(messages.length, 'message')}; --limit shows more`] : []),
  ];
}

function messageLine(failed: FailedMessage): string {
  const { messageId, index, jobId, batchId, stage, code, attempt, detail, at } = failed;
  return `${at.toISOString()}  ${code}  ${JSON.stringify(messageId)} of ${index} (job ${jobId}, batch ${batchId}, ${stage}, attempt ${attempt}): ${oneLine(detail)}`;
}

function acceptedLine({ accepted }: FailedMessage): string[] {
  if (!accepted) return [];
  const { by, at, reason } = accepted;
  return [`    accepted by ${by} at ${at.toISOString()}: ${reason}`];
}

function remedyOf(code: string, isAccepted: boolean): string {
  const again = `retry --error ${code}`;
  if (code === 'too_large')
    return `${again}, with a higher limits.maxInFlightBytes where the reason names it`;
  const until = ONCE[code];
  if (until === undefined) return again;
  return `${again}, once ${until}${isAccepted ? '' : `; accept --error ${code} settles them`}`;
}

/** What has to change first: without, they fail again. */
const ONCE: Readonly<Record<string, string>> = {
  missing: 'the message is in its index again',
  ambiguous_id: 'one message alone of its index has this id',
  unindexed_key: 'the mapping indexes the field, or the message has another value there',
};
