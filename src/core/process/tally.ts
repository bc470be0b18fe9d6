import type { MessageOutcome } from '../tracking/outcomes.js';
import type { Run } from '../run.js';
import type { UploadLimit } from './upload-limit.js';

/** How often the uploads in flight are looked at, in milliseconds: a batch of large messages may take minutes. */
const LOOK_EVERY_MS = 1_000;

/** What this run did so far, and how many uploads it has in flight; reported as progress. */
export class Tally {
  readonly #run: Run;
  readonly #expected: number;
  #uploads: UploadLimit | undefined;
  #uploadsShown = 0;
  #timer: NodeJS.Timeout | undefined;
  completed = 0;
  failed = 0;

  constructor(run: Run, expected: number) {
    this.#run = run;
    this.#expected = expected;
  }

  /** Shows uploads in flight from now on, also while no batch ends, until {@link close}. */
  watch(uploads: UploadLimit): void {
    this.#uploads = uploads;
    this.#show();
    this.#timer = setInterval(() => {
      if (uploads.inFlight !== this.#uploadsShown) this.#show();
    }, LOOK_EVERY_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  add(outcomes: readonly MessageOutcome[]): void {
    for (const { kind } of outcomes) {
      if (kind === 'completed') this.completed += 1;
      else this.failed += 1;
    }
    this.#show();
  }

  /** Failed with a batch that could not be processed. */
  giveUp(messages: number): void {
    this.failed += messages;
    this.#show();
  }

  #show(): void {
    const done = this.completed + this.failed;
    const total = Math.max(this.#expected, done);
    const uploads = this.#uploads && { uploads: this.#uploads.inFlight };
    this.#uploadsShown = uploads?.uploads ?? 0;
    const { failed } = this;
    this.#run.report({ type: 'progress', stage: 'process', done, total, failed, ...uploads });
  }
}
