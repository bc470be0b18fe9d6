import type { ErrorsReport } from '../core/status/types.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import { counted, grouped } from './terminal/numbers.js';
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
  const codes = byCode.map(({ code, messages: count, permanent }) => {
    return [code, grouped(count), permanent ? remedyOf(code) : 'requeued while attempts are left'];
  });
  return [
    table([['code', 'messages', 'what puts them back'], ...codes]),
    '',
    ...messages.map(
      ({ messageId, index, jobId, batchId, stage, code, attempt, detail, at }) =>
        `${at.toISOString()}  ${code}  ${JSON.stringify(messageId)} of ${index} (job ${jobId}, batch ${batchId}, ${stage}, attempt ${attempt}): ${oneLine(detail)}`,
    ),
    ...(truncated ? [`the first ${counted(messages.length, 'message')}; --limit shows more`] : []),
  ];
}

function remedyOf(code: string): string {
  const again = `retry --error ${code}`;
  return code === 'too_large'
    ? `${again}, with a higher limits.maxInFlightBytes where the reason names it`
    : again;
}

const oneLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, ' ');
