import type { Connections } from '../connect.js';
import { measured, type Run } from '../run.js';
import { requeueFailed } from '../tracking/requeue.js';
import { workingSet } from '../tracking/scope.js';
import type { ProcessOptions } from './types.js';

/** How often failed messages are put back while a run waits for work, in milliseconds. */
const EVERY_MS = 5 * 60_000;

/** Puts failed messages that have attempts left back to pending, of the jobs in scope. */
export class Requeue {
  readonly #run: Run;
  readonly #on: Connections;
  readonly #within: Pick<ProcessOptions, 'jobs' | 'leftAlone'>;
  #at = 0;
  /** Messages put back so far. */
  requeued = 0;

  constructor(run: Run, on: Connections, within: Pick<ProcessOptions, 'jobs' | 'leftAlone'>) {
    this.#run = run;
    this.#on = on;
    this.#within = within;
  }

  async now(): Promise<void> {
    this.#at = performance.now();
    const { settings, database } = this.#on;
    const { jobs: named, leftAlone } = this.#within;
    const jobs = await workingSet(database, settings.source.index, named, leftAlone);
    const scope = { jobs, force: false, maxAttempts: settings.maxAttempts };
    const requeued = await requeueFailed(database, scope, settings.batchSize, this.#run.stop);
    this.requeued += requeued;
    if (requeued === 0) return;
    measured(this.#run.report, { kind: 'requeued', messages: requeued });
    const message = `${requeued} failed messages are tried again`;
    this.#run.report({ type: 'log', level: 'info', message });
  }

  /** The same, unless it was done within the last minutes. */
  async ifDue(): Promise<void> {
    if (performance.now() - this.#at > EVERY_MS) await this.now();
  }
}
