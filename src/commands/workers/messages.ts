import type { Findings } from '../../core/connect.js';
import type { Carried, CarryOptions } from '../../core/process/types.js';
import type { RunEvent } from '../../core/run.js';
import type { Settings } from '../../core/settings.js';
import type { PlainError } from './plain-error.js';

/** What a worker needs to begin. Carries secrets: it travels by the pipe between the two processes alone. */
export interface Start {
  readonly type: 'start';
  readonly settings: Settings;
  readonly known: Findings;
  readonly options: CarryOptions;
  /** When it was sent, in milliseconds since the epoch: starting a process takes a part of `maxRuntimeMs`. */
  readonly sentAt: number;
}

/** From the command to a worker. */
export type Order = Start | { readonly type: 'stop' };

/** From a worker to the command; the last one is `done` or `failed`. */
export type Notice =
  | { readonly type: 'events'; readonly events: readonly RunEvent[] }
  | { readonly type: 'done'; readonly carried: Carried }
  /** `stopping`: it had been told to stop, by whomever. */
  | { readonly type: 'failed'; readonly error: PlainError; readonly stopping: boolean };
