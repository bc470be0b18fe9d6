import type { Connections } from '../core/connect.js';
import type { RunEvent } from '../core/run.js';
import type { MonitorSettings, Settings } from '../core/settings.js';
import type { HealthAddress } from '../monitor/health.js';
import type { CommandContext, OpenRun } from './context.js';
import { explain } from './failure.js';
import type { ServiceManager } from './service-manager.js';

type Open = OpenRun & { readonly settings: Settings };

/** To be called when everything is connected; what it returns, before that is closed. */
type Connected = (on: Connections) => () => Promise<void>;

/**
 * Opens what watches the run from outside, where anything is to, and closes it, whatever happens. Watched are the commands that
 * work for long, and not those that only look.
 */
export async function withMonitor<T>(
  context: CommandContext,
  open: Open,
  request: { works?: boolean; healthAddress?: HealthAddress | undefined },
  work: (watched: Open, connected: Connected) => Promise<T>,
): Promise<T> {
  const { run, terminal, settings } = open;
  const { works = false, healthAddress } = request;
  const { monitor: watch = NOTHING } = settings;
  const isManaged = Boolean(context.env['NOTIFY_SOCKET']);
  if (!works || !(healthAddress || isManaged || isAnythingOf(watch)))
    return work(open, () => noEnd);
  const { openMonitor } = await import('../monitor/monitor.js');
  const monitor = await openMonitor(watch, healthAddress, run);
  if (monitor.line) terminal.copyTo(monitor.line);
  if (monitor.healthUrl !== undefined)
    terminal.log({ level: 'info', message: `health is told at ${monitor.healthUrl}` });
  const manager = isManaged ? await openManager(context, open, monitor.alive) : undefined;
  const report = (event: RunEvent): void => {
    run.report(event);
    monitor.report(event);
    manager?.report(event);
  };
  try {
    return await work({ ...open, run: { ...run, report } }, (on) => {
      const disconnecting = monitor.connected(on);
      manager?.ready();
      return async () => {
        await Promise.all([disconnecting(), manager?.stopping()]);
      };
    });
  } catch (error) {
    // Said on the terminal when all is closed; by then nobody takes lines any more.
    terminal.copyOnly({ level: 'error', message: explain(error, false).join(' ') });
    throw error;
  } finally {
    await monitor.close();
  }
}

async function openManager(
  { stop }: CommandContext,
  { terminal }: OpenRun,
  alive: () => boolean,
): Promise<ServiceManager> {
  const { openServiceManager } = await import('./service-manager.js');
  return openServiceManager({ alive, stop: stop.signal, log: terminal.log });
}

const NOTHING: MonitorSettings = { alertFailureRate: 1 };

function isAnythingOf({ metricsNamespace, logGroup, alertTopic }: MonitorSettings): boolean {
  return [metricsNamespace, logGroup, alertTopic].some((name) => name !== undefined);
}

const noEnd = (): Promise<void> => Promise.resolve();
