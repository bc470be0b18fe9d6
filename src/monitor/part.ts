import type { Connections } from '../core/connect.js';
import type { RunEvent } from '../core/run.js';
import type { MetricName } from './metrics.js';

/** One way in which a run is watched from outside. None of them may fail the run, or keep it waiting for long. */
export interface Part {
  readonly report?: (event: RunEvent) => void;
  /** Takes what is so at the moment. */
  readonly level?: (name: MetricName, value: number) => void;
  /** A finished line of the log, as JSON. */
  readonly line?: (line: string) => void;
  /** What the run has connected to; what is returned is called before the connections are closed. */
  readonly connected?: (on: Connections) => () => Promise<void>;
  close(): Promise<void>;
}
