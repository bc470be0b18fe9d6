import type { Connections } from '../core/connect.js';
import type { Run, RunEvent } from '../core/run.js';
import type { MonitorSettings } from '../core/settings.js';
import type { HealthAddress, Readiness } from './health.js';
import type { Part } from './part.js';
import { Vitals } from './vitals.js';

/** How a run is watched from outside: by metrics, log lines, alerts, and by asking it. */
export interface Monitor {
  readonly report: (event: RunEvent) => void;
  /** Undefined where nobody wants the log's lines. */
  readonly line: ((line: string) => void) | undefined;
  /** Where health is told, if anybody is to ask. */
  readonly healthUrl: string | undefined;
  /** Whether the run still does anything. */
  readonly alive: () => boolean;
  /** To be called when everything is connected: the run is ready. What is returned is called before that is closed. */
  connected(on: Connections): () => Promise<void>;
  /** Sends what is left, which takes seconds where nobody answers. */
  close(): Promise<void>;
}

/**
 * Opens what is configured; nothing of it is loaded otherwise.
 *
 * @throws MigrateError `usage` where the health port can't be listened on
 */
export async function openMonitor(
  settings: MonitorSettings,
  healthAddress: HealthAddress | undefined,
  run: Run,
): Promise<Monitor> {
  const vitals = new Vitals();
  let isConnected = false;
  const readiness = (): Readiness =>
    run.stop.aborted ? 'stopping' : isConnected ? 'ready' : 'connecting';
  const health = healthAddress && (await healthPart(healthAddress, vitals, readiness));
  const opened = [
    health,
    await metricsPart(settings, run),
    await logPart(settings, run),
    await alertPart(settings, run),
  ].filter((part) => part !== undefined);
  const backlog = await backlogPart(opened);
  const parts: readonly Part[] = backlog ? [...opened, backlog] : opened;
  const takesLines = parts.filter(({ line }) => line);
  return {
    report: (event) => {
      vitals.report();
      for (const part of parts) part.report?.(event);
    },
    line:
      takesLines.length === 0
        ? undefined
        : (line) => {
            for (const part of takesLines) part.line?.(line);
          },
    healthUrl: health?.url,
    alive: () => vitals.alive(),
    connected: (on) => {
      isConnected = true;
      const ends = parts.map((part) => part.connected?.(on));
      return async () => {
        isConnected = false;
        for (const end of ends) await end?.();
      };
    },
    close: async () => {
      // What the others say at their end is still to be sent.
      for (const part of parts.filter(({ line }) => !line)) await part.close();
      for (const part of takesLines) await part.close();
    },
  };
}

async function healthPart(
  at: HealthAddress,
  vitals: Vitals,
  readiness: () => Readiness,
): Promise<Part & { readonly url: string }> {
  const [{ openHealth }, { PrometheusMetrics }] = await Promise.all([
    import('./health.js'),
    import('./prometheus.js'),
  ]);
  const metrics = new PrometheusMetrics();
  const health = await openHealth(at, metrics, vitals, readiness);
  const { address, port, family } = health.address;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    report: metrics.report,
    level: (name, value) => metrics.set(name, value),
    close: () => health.close(),
  };
}

async function metricsPart(
  { metricsNamespace, ...reached }: MonitorSettings,
  { report }: Run,
): Promise<Part | undefined> {
  if (metricsNamespace === undefined) return undefined;
  const [{ CloudWatchMetrics }, { Meter }, { sendMetrics }] = await Promise.all([
    import('./aws/cloudwatch.js'),
    import('./meter.js'),
    import('./metric-sender.js'),
  ]);
  return sendMetrics(new Meter(), new CloudWatchMetrics(metricsNamespace, reached), report);
}

async function logPart(
  { logGroup, ...reached }: MonitorSettings,
  run: Run,
): Promise<Part | undefined> {
  if (logGroup === undefined) return undefined;
  const [{ CloudWatchLogs }, { sendLines }] = await Promise.all([
    import('./aws/cloudwatch-logs.js'),
    import('./log-sender.js'),
  ]);
  return sendLines(new CloudWatchLogs(logGroup, streamOf(run), reached), run.report);
}

async function alertPart(
  { alertTopic, alertFailureRate: threshold, insecure }: MonitorSettings,
  { host, report }: Run,
): Promise<Part | undefined> {
  if (alertTopic === undefined) return undefined;
  const [{ publish }, { alertOnFailures }] = await Promise.all([
    import('./aws/sns.js'),
    import('./failure-alert.js'),
  ]);
  const toTopic = (subject: string, text: string) => publish(alertTopic, subject, text, insecure);
  return alertOnFailures({ threshold, host, report, publish: toTopic });
}

/** Where anybody wants to know what is left to be done. */
async function backlogPart(parts: readonly Part[]): Promise<Part | undefined> {
  const levels = parts.flatMap(({ level }) => level ?? []);
  if (levels.length === 0) return undefined;
  const { watchBacklog } = await import('./backlog.js');
  return watchBacklog((name, value) => {
    for (const level of levels) level(name, value);
  });
}

/** Names a run's own stream of log lines; `:`, `*` and controls are not allowed there. */
function streamOf({ host, clock }: Run): string {
  const started = new Date(clock.now()).toISOString().replaceAll(':', '-');
  const name = host.hostname.replaceAll(/[:*\p{Cc}]/gu, '-');
  return `${name}/${started}/${host.pid}`;
}
