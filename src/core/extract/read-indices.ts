import type { Source } from '../elasticsearch/source.js';
import type { Database } from '../tracking/database.js';
import { countTracked, noteReadIndex } from '../tracking/job-indices.js';

/** What tells, while pages are read, that messages are tracked under the name of another index already. */
export interface Watch {
  /** Indices by their numbers. */
  readonly indexIds: readonly number[];
}

/** Notes which concrete indices a job's messages come from, by their UUIDs, before the first message of each is stored. */
export class ReadIndices {
  readonly #source: Source;
  readonly #database: Database;
  readonly #job: { readonly index: string; readonly jobId: number };
  readonly #watch: Watch | undefined;
  readonly #noted = new Set<string>();
  #uuids: ReadonlyMap<string, string> = new Map();
  /** Messages read that are tracked under an index that is watched for. */
  trackedTwice = 0;

  /** @param job its number, and the name, alias or pattern that its messages are read by */
  constructor(
    source: Source,
    database: Database,
    job: { readonly index: string; readonly jobId: number },
    watch?: Watch,
  ) {
    this.#source = source;
    this.#database = database;
    this.#job = job;
    this.#watch = watch;
  }

  /** To be called before a point in time is opened: an index may have been replaced since the last one. */
  async refresh(signal: AbortSignal): Promise<void> {
    this.#uuids = await this.#source.indexUuids(this.#job.index, signal);
  }

  async note(
    names: ReadonlySet<string>,
    numberOf: (name: string) => number,
    signal: AbortSignal,
  ): Promise<void> {
    if (![...names].every((name) => this.#uuids.has(name))) await this.refresh(signal);
    for (const name of names) {
      const uuid = this.#uuids.get(name);
      // Deleted since the point in time was opened: the window is about to be read again.
      if (uuid === undefined || this.#noted.has(`${name}/${uuid}`)) continue;
      await noteReadIndex(this.#database, this.#job.jobId, numberOf(name), uuid);
      this.#noted.add(`${name}/${uuid}`);
    }
  }

  async count(ids: readonly Buffer[]): Promise<void> {
    if (!this.#watch || ids.length === 0) return;
    this.trackedTwice += await countTracked(this.#database, ids, this.#watch.indexIds);
  }
}
