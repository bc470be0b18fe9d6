import { setTimeout as delay } from 'node:timers/promises';
import { anySignal } from '../core/any-signal.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import { statusJson, statusLines } from './status-report.js';

export interface StatusFlags {
  readonly job?: number;
  readonly watch?: boolean;
}

const REFRESH_MS = 2_000;

/** `es-migrate status`. With `--watch` until stopped: on a terminal in place, else one report after the other. */
export async function status(
  { job, watch = false }: StatusFlags,
  context: CommandContext,
): Promise<Verdict> {
  const { globals, stdout, stdoutLost, stop } = context;
  return withConnections(
    context,
    { needs: { source: false, target: false } },
    () => undefined,
    async ({ run, on }) => {
      const core = await import('../core/status/status.js');
      const ended = anySignal(stop.signal, stdoutLost);
      for (;;) {
        const report = await core.status(run, on, { jobId: job });
        if (watch && stdout.isTTY && !globals.json) stdout.write('\u001B[2J\u001B[H');
        printResult(context, statusJson(report), statusLines(report));
        if (!watch) return done;
        await delay(REFRESH_MS, undefined, { signal: ended }).catch((error: unknown) => {
          if (!stdoutLost.aborted) throw error;
        });
        // Nobody sees any of the next reports.
        if (stdoutLost.aborted) return done;
      }
    },
  );
}
