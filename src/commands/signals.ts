import { setMaxListeners } from 'node:events';
import { SIGNAL_EXIT, type StopSignal } from './exit-codes.js';

/** Turns SIGINT and SIGTERM into an abort signal. The second one ends the process at once. */
export class StopSignals {
  readonly #controller = new AbortController();
  #received: StopSignal | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The signal that stopped the run, if one did. */
  get received(): StopSignal | undefined {
    return this.#received;
  }

  constructor() {
    // One listener for each request in flight is meant, and no leak.
    setMaxListeners(0, this.signal);
  }

  /** The exit code of a run that was stopped. */
  get exitCode(): number {
    return SIGNAL_EXIT[this.#received ?? 'SIGINT'];
  }

  /** Takes both signals from now on; `say` tells the user what the first one does. */
  listen(say: (message: string) => void): void {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => this.#on(name, say));
  }

  #on(name: StopSignal, say: (message: string) => void): void {
    if (this.#received !== undefined) {
      try {
        say(
          `${name} once more: stopped; the next run on this host takes over at once what was claimed, other hosts do when its lease has run out`,
        );
      } finally {
        process.exit(SIGNAL_EXIT[name]);
      }
    }
    this.#received = name;
    // First of all: it stops even where nothing can be said any more.
    this.#controller.abort();
    say(`${name}: finishing what is in flight; once more stops at once`);
  }
}
