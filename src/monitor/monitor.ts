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
  const parts: Part[] = [];
  const levels: { set: (name: 'Backlog' | 'MessagesStandingFailed', value: number) => void }[] = [];
  let isConnected = false;
  let healthUrl: string | undefined;
  if (healthAddress) {
    const readiness = (): Readiness =>
      run.stop.aborted ? 'stopping' : isConnected ? 'ready' : 'connecting';
    const [{ openHealth }, { PrometheusMetrics }] = await Promise.all([
      import('./health.js'),
      import('./prometheus.js'),
    ]);
    const metrics = new PrometheusMetrics();
    const health = await openHealth(healthAddress, metrics, vitals, readiness);
    const { address, port, family } = health.address;
    healthUrl = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    levels.push(metrics);
    parts.push({ report: metrics.report, close: () => health.close() });
  }
  if (settings.metricsNamespace !== undefined) {
    const [{ CloudWatchMetrics }, { Meter }, { sendMetrics }] = await Promise.all([
      import('./aws/cloudwatch.js'),
      import('./meter.js'),
      import('./metric-sender.js'),
    ]);
    const meter = new Meter();
    levels.push(meter);
    const cloudWatch = new CloudWatchMetrics(settings.metricsNamespace, settings.region);
    parts.push(sendMetrics(meter, cloudWatch, run.report));
  }
  if (settings.logGroup !== undefined) {
    const [{ CloudWatchLogs }, { sendLines }] = await Promise.all([
      import('./aws/cloudwatch-logs.js'),
      import('./log-sender.js'),
    ]);
    const logs = new CloudWatchLogs(settings.logGroup, streamOf(run), settings.region);
    parts.push(sendLines(logs, run.report));
  }
  const { alertTopic, alertFailureRate: threshold } = settings;
  if (alertTopic !== undefined) {
    const [{ publish }, { alertOnFailures }] = await Promise.all([
      import('./aws/sns.js'),
      import('./failure-alert.js'),
    ]);
    const toTopic = (subject: string, text: string) => publish(alertTopic, subject, text);
    const { host, report } = run;
    parts.push(alertOnFailures({ threshold, host, report, publish: toTopic }));
  }
  if (levels.length > 0) {
    const { watchBacklog } = await import('./backlog.js');
    parts.push(watchBacklog(levels));
  }
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
    healthUrl,
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

/** Names a run's own stream of log lines; `:` is not allowed there. */
function streamOf({ host, clock }: Run): string {
  const started = new Date(clock.now()).toISOString().replaceAll(':', '-');
  return `${host.hostname}/${started}/${host.pid}`;
}
