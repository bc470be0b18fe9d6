import type { Report } from '../core/run.js';

/** Says once that something doesn't work, and once that it does again: monitoring must never fill the log it serves. */
export class Complaint {
  readonly #report: Report;
  readonly #what: string;
  #isOpen = false;

  /** @param what is not done meanwhile, as in `metrics are not sent` */
  constructor(report: Report, what: string) {
    this.#report = report;
    this.#what = what;
  }

  failed(error: unknown): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const why = error instanceof Error ? error.message : String(error);
    this.#report({ type: 'log', level: 'warn', message: `${this.#what}: ${why}` });
  }

  worked(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const message = `no longer so: ${this.#what}`;
    this.#report({ type: 'log', level: 'info', message });
  }
}
