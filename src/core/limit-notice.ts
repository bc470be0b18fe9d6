import { randomBytes } from 'node:crypto';
import type { SourceLimit } from './elasticsearch/limiter.js';
import { ownerOf, type ImposedLimit, type Run } from './run.js';
import type { Database } from './tracking/database.js';
import { announceLimit, withdrawLimit } from './tracking/source-limits.js';

/** How often the row is written again while it has to stand; a third of how long it counts. */
const RENEW_MS = 10_000;

/**
 * Tells of the limit that Elasticsearch imposes on this process: to the run's listeners, in one log line when it begins
 * and one when it ends, and, by a row in the tracking database, to `status` on any host. Without a limit it does nothing
 * at all; where the row can't be written, the work goes on without.
 */
export class LimitNotice {
  readonly #run: Run;
  readonly #requestsPerSecond: number;
  readonly #token = randomBytes(16).toString('hex');
  #limit: ImposedLimit | undefined;
  #startedAt = 0;
  #published: { readonly database: Database; readonly timer: NodeJS.Timeout } | undefined;
  #hasRow = false;
  #outdated = false;
  #writing: Promise<void> | undefined;

  /** `requestsPerSecond` as configured; 0: no limit. */
  constructor(run: Run, requestsPerSecond: number) {
    this.#run = run;
    this.#requestsPerSecond = requestsPerSecond;
  }

  /** Tells of a change; undefined: no limit any more. */
  changed(limit: SourceLimit | undefined): void {
    const { report, clock } = this.#run;
    const before = this.#limit;
    if (limit && !before) this.#startedAt = performance.now();
    this.#limit = limit && {
      ...limit,
      requestsPerSecond: this.#requestsPerSecond * limit.share,
      since: before?.since ?? clock.now(),
    };
    report({ type: 'limit', limit: this.#limit });
    if (limit && !before) {
      const message = `Elasticsearch is asked for less until it recovers: ${limit.reason}`;
      report({ type: 'log', level: 'warn', message });
    } else if (before && !limit) {
      const message = 'Elasticsearch has recovered: it is asked for as much as before';
      report({ type: 'log', level: 'info', message });
    }
    this.#write();
  }

  /**
   * From here on the limit stands in the tracking database, too.
   *
   * @param beforeRenewal called before the row is written again, every 10 s
   */
  publish(database: Database, beforeRenewal: () => void): void {
    const timer = setInterval(() => {
      if (!this.#limit) return;
      beforeRenewal();
      this.#write();
    }, RENEW_MS).unref();
    this.#published = { database, timer };
    this.#write();
  }

  /** Takes the row back. */
  async close(): Promise<void> {
    clearInterval(this.#published?.timer);
    this.#limit = undefined;
    this.#write();
    this.#published = undefined;
    await this.#writing;
  }

  /** One statement at a time, and the last state last. */
  #write(): void {
    if (!this.#published || (!this.#limit && !this.#hasRow)) return;
    const { database } = this.#published;
    this.#outdated = true;
    this.#writing ??= this.#writeAll(database).finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(database: Database): Promise<void> {
    while (this.#outdated) {
      this.#outdated = false;
      const limit = this.#limit;
      // Before it is known whether it was written: what may stand there must be taken back.
      if (limit) this.#hasRow = true;
      try {
        if (limit) await announceLimit(database, this.#announcement(limit));
        else await withdrawLimit(database, this.#token);
        this.#hasRow = limit !== undefined;
      } catch (error) {
        const message = `status does not show the limit: ${(error as Error).message}`;
        this.#run.report({ type: 'log', level: 'debug', message });
      }
    }
  }

  #announcement(limit: ImposedLimit) {
    const forMs = performance.now() - this.#startedAt;
    return { ...limit, token: this.#token, owner: ownerOf(this.#run.host), forMs };
  }
}
