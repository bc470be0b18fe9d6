import { randomBytes } from 'node:crypto';
import { ownerOf, type Run } from '../run.js';
import type { Database } from '../tracking/database.js';
import { announceUploads, withdrawUploads } from '../tracking/upload-limits.js';
import type { UploadLimit } from './upload-limit.js';

/** When the row is written first, and how often again, in milliseconds; a third of how long it counts. */
const FIRST_MS = 1_000;
const RENEW_MS = 10_000;

/**
 * Tells `status`, on any host, how many uploads this process has in flight: by a row in the tracking database. Where that cannot
 * be written the work goes on without it.
 */
export class UploadNotice {
  readonly #run: Run;
  readonly #database: Database;
  readonly #limit: UploadLimit;
  readonly #token = randomBytes(16).toString('hex');
  #timer: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();
  #hasRow = false;
  #isOver = false;

  constructor(run: Run, database: Database, limit: UploadLimit) {
    this.#run = run;
    this.#database = database;
    this.#limit = limit;
    this.#timer = setTimeout(() => this.#renew(), FIRST_MS).unref();
  }

  /** Takes the row back, if there is one. Not for a run that ends by an error: the row runs out by itself. */
  async withdraw(): Promise<void> {
    this.cancel();
    await this.#writing;
    if (this.#hasRow) await this.#attempt(() => withdrawUploads(this.#database, this.#token));
  }

  /** Writes no more. */
  cancel(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #renew(): void {
    if (this.#isOver) return;
    const { inFlight, allowed, most, lastReason = null } = this.#limit;
    const owner = ownerOf(this.#run.host);
    const uploads = { owner, inFlight, allowed, most, reason: lastReason };
    this.#hasRow = true;
    // Not more than one statement at a time: the next begins when this one has ended.
    this.#writing = this.#attempt(() => announceUploads(this.#database, this.#token, uploads));
    this.#timer = setTimeout(() => {
      void this.#writing.then(() => this.#renew());
    }, RENEW_MS).unref();
  }

  async #attempt(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const message = `status does not show the uploads in flight: ${(error as Error).message}`;
      this.#run.report({ type: 'log', level: 'debug', message });
    }
  }
}
