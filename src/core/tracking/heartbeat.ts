import type { Report } from '../run.js';
import type { Database } from './database.js';
import { renewLeases, type Lease, type LeasedTable } from './lease.js';

/** The lease of a claim is no longer ours: its work must end without changing anything. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

interface Held {
  readonly lease: Lease;
  readonly lost: AbortController;
  /** When it was last known to be ours, by this process's steady clock. */
  renewedAt: number;
}

/**
 * Renews the leases this process holds, three times in their length, all in one statement. A lease that is
 * found lost, or could not be renewed for its whole length, aborts its work. The tokens guard the rows in any case;
 * the abort only spares work that would be refused.
 */
export class Heartbeat {
  readonly #database: Database;
  readonly #table: LeasedTable;
  readonly #report: Report;
  readonly #held = new Map<string, Held>();
  readonly #timer: NodeJS.Timeout;
  #beating: Promise<void> = Promise.resolve();

  constructor(database: Database, table: LeasedTable, leaseSeconds: number, report: Report) {
    this.#database = database;
    this.#table = table;
    this.#report = report;
    let idle = true;
    this.#timer = setInterval(
      () => {
        if (!idle) return;
        idle = false;
        this.#beating = this.#beat().finally(() => {
          idle = true;
        });
      },
      (leaseSeconds * 1000) / 3,
    );
  }

  /** Starts to renew a lease; the signal is aborted with a LeaseLost when it is lost. */
  hold(lease: Lease): AbortSignal {
    const held = { lease, lost: new AbortController(), renewedAt: performance.now() };
    this.#held.set(lease.token, held);
    return held.lost.signal;
  }

  /** Stops renewing a lease, before it is given back or completed. */
  drop(lease: Lease): void {
    this.#held.delete(lease.token);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#held.clear();
    await this.#beating;
  }

  async #beat(): Promise<void> {
    const asked = [...this.#held.values()];
    const askedAt = performance.now();
    try {
      const lost = new Set(
        await renewLeases(
          this.#database,
          this.#table,
          asked.map(({ lease }) => lease),
        ),
      );
      for (const held of asked) {
        if (lost.has(held.lease.token)) this.#lose(held, 'somebody else has taken it over');
        else held.renewedAt = askedAt;
      }
    } catch (error) {
      this.#report({
        type: 'log',
        level: 'warn',
        message: `no heartbeat: ${(error as Error).message}`,
      });
    }
    for (const held of this.#held.values()) {
      if (performance.now() - held.renewedAt > held.lease.seconds * 1000)
        this.#lose(held, 'it could not be renewed');
    }
  }

  #lose(held: Held, why: string): void {
    if (!this.#held.delete(held.lease.token)) return;
    held.lost.abort(new LeaseLost(`the lease was lost: ${why}`));
  }
}
