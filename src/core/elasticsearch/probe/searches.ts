import type { Hit } from '../hit.js';
import { STRICT } from '../pit.js';
import { indexPath } from '../query.js';
import type { Requests } from '../requests.js';

/** Largest answer that is read, in bytes: hits without source, with the values of some fields. */
const MOST_BYTES = 32 << 20;

/** The searches of a probe, counted. They wait for their turn like all others. */
export class ProbeSearches {
  readonly #requests: Requests;
  readonly #signal: AbortSignal;
  /** Searches that were answered. */
  count = 0;
  /** What Elasticsearch took for them by its own account, in milliseconds. */
  tookMs = 0;

  constructor(requests: Requests, signal: AbortSignal) {
    this.#requests = requests;
    this.#signal = signal;
  }

  /** Hits of an index, alias or pattern; `too-large` where the answer has more than 32 MiB. */
  async search(index: string, body: string): Promise<readonly Hit[] | 'too-large'> {
    const answer = await this.#requests.search({
      method: 'POST',
      path: `/${indexPath(index)}/_search`,
      query: STRICT,
      body,
      maxBytes: MOST_BYTES,
      signal: this.#signal,
    });
    this.count += 1;
    if (answer === 'too-large') return answer;
    this.tookMs += answer.tookMs;
    return answer.hits;
  }

  /** For the log. */
  toString(): string {
    const { count, tookMs } = this;
    return `${count} ${count === 1 ? 'search' : 'searches'}, ${tookMs} ms of Elasticsearch's time`;
  }
}
