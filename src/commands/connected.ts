import type { ConfigFlags } from '../config/load.js';
import type { Needs } from '../config/settle.js';
import type { Wants } from '../core/connect.js';
import type { Connections, Settings } from '../core/index.js';
import type { HealthAddress } from '../monitor/health.js';
import { withSettings, type CommandContext, type OpenRun } from './context.js';
import type { Verdict } from './exit-codes.js';

export interface Work extends OpenRun {
  readonly settings: Settings;
  readonly on: Connections;
}

/**
 * Runs a command's work with its settings and connections, which are closed whatever happens.
 *
 * @param request what the command needs, its flags that are configuration, whether it may only look,
 *   whether the target's prefix has to be ours already, whether it sends batches to the queue where one is configured, whether
 *   it works (and is watched where that is configured), and where its health is told
 * @param prepare reads the command's other flags, so that what is wrong with them is told before anybody is connected to
 */
export async function withConnections<P>(
  context: CommandContext,
  request: {
    needs: Needs;
    flags?: ConfigFlags;
    readOnly?: boolean;
    prefix?: 'claim' | 'require';
    sends?: boolean;
    works?: boolean;
    healthAddress?: HealthAddress | undefined;
  },
  prepare: (settings: Settings) => Promise<P> | P,
  work: (given: Work, prepared: P) => Promise<Verdict>,
): Promise<Verdict> {
  return withSettings(context, request, async (open) => {
    const prepared = await prepare(open.settings);
    // Not the whole core: `status` is asked for often, and most of the time it takes is spent on loading.
    const [{ connect }, { withMonitor }] = await Promise.all([
      import('../core/connect.js'),
      import('./monitored.js'),
    ]);
    const { needs, readOnly = false, prefix = 'claim', sends = false } = request;
    if (needs.source) await sayWhatHoldsBack(open);
    const queue = needs.queue ? 'receive' : sends ? 'send' : undefined;
    const wants: Wants = { ...needs, queue, readOnly, prefix };
    return withMonitor(context, open, request, async (watched, connected) => {
      const on = await connect(open.settings, wants, watched.run);
      const disconnecting = connected(on);
      try {
        return await work({ ...watched, on }, prepared);
      } finally {
        await disconnecting();
        await on.close();
      }
    });
  });
}

/** Whoever wonders later why it isn't faster has been told. */
async function sayWhatHoldsBack({
  settings,
  terminal,
}: OpenRun & { settings: Settings }): Promise<void> {
  const { leavesPauses } = await import('../core/elasticsearch/pace.js');
  if (!leavesPauses(settings.limits)) return;
  const percent = Number((100 * settings.limits.sourceLoad).toPrecision(3));
  const message = `Elasticsearch works for us about ${percent} % of the time (limits.sourceLoad); where it has time to spare, raise that to go faster`;
  terminal.log({ level: 'info', message });
}
