import type { ErrorsReport, FailedMessage } from '../core/status/types.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import { counted, grouped } from './terminal/numbers.js';
import { printable } from './terminal/printable.js';
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
    permanent || accepted === count ? remedyOf(code) : 'requeued while attempts are left',
  ]);
  const head = ['code', 'messages', ...(hasAccepted ? ['accepted'] : []), 'what puts them back'];
  const open = messages.filter(({ accepted }) => !accepted);
  const settled = messages.filter(({ accepted }) => accepted);
  return [
    table([head, ...codes]),
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
  return [`    accepted by ${printable(by)} at ${at.toISOString()}: ${printable(reason)}`];
}

function remedyOf(code: string): string {
  const again = `retry --error ${code}`;
  return code === 'too_large'
    ? `${again}, with a higher limits.maxInFlightBytes where the reason names it`
    : again;
}

const oneLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, ' ');
