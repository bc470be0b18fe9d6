import { tmpdir } from 'node:os';
import { systemClock, type Run, type RunEvent } from '../../src/core/run.js';
import type { Connections } from '../../src/core/connect.js';
import type { Settings } from '../../src/core/settings.js';
import { sandbox } from './sandbox.js';
import { trackingSettings, type Tracking } from './tracking.js';

/** A run that is told to nobody, or to `report`. */
export function quietRun(
  report: (event: RunEvent) => void = () => undefined,
  stop: AbortSignal = new AbortController().signal,
): Run {
  return {
    stop,
    report,
    clock: systemClock,
    host: {
      ...{ hostname: 'test', pid: 1, temporaryDirectory: tmpdir(), isAlive: () => true },
      ...{ uid: process.geteuid?.(), identity: undefined, stateOf: () => 'unknown' },
    },
  };
}

/** Settings for the test run's servers, small batches, no patience beyond half a minute. */
export function settingsFor(tracking: Tracking, changes: Partial<Settings> = {}): Settings {
  return {
    source: {
      urls: [sandbox().elasticsearch.url],
      insecure: false,
      index: 'messages',
      dateField: 'timestamp',
      related: [],
    },
    tracking: trackingSettings(tracking.at),
    settleMs: 0,
    batchSize: 10,
    concurrency: 2,
    maxAttempts: 5,
    leaseSeconds: 300,
    retryForMs: 30_000,
    limits: {
      sourceRequestsPerSecond: 0,
      sourceLoad: 0,
      sourceLatencyTargetMs: 0,
      uploads: 512,
      maxInFlightBytes: 64 << 20,
    },
    ...changes,
  };
}

/** Connections to the tracking database alone. */
export function connectionsTo(tracking: Tracking, changes: Partial<Settings> = {}): Connections {
  const missing = (): never => {
    throw new Error('this test connects to the tracking database alone');
  };
  return {
    settings: settingsFor(tracking, changes),
    database: tracking.database,
    hasSchema: true,
    policy: { retryForMs: 1000, report: () => undefined },
    leases: tracking.database,
    prefix: { ignoresConditions: false },
    queue: undefined,
    get source() {
      return missing();
    },
    get indices() {
      return missing();
    },
    get related() {
      return missing();
    },
    get target() {
      return missing();
    },
    close: () => Promise.resolve(),
  };
}
