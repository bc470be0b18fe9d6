import { isFault, type Fault } from '../../fault.js';
import { OUT_OF_MEMORY } from '../faults.js';
import type { SearchAnswer } from '../answer.js';
import type { Hit } from '../hit.js';
import { STRICT } from '../pit.js';
import { indexPath, jsonObject } from '../query.js';
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

  /** Whether one of them gave nothing, since it was `too-large`. */
  isIncomplete = false;

  /**
   * Hits of an index, alias or pattern; `too-large` where the answer has more than 32 MiB, or Elasticsearch's circuit breaker
   * refuses it. What is too large to be tried must not keep the messages from being migrated.
   */
  async search(index: string, body: string): Promise<readonly Hit[] | 'too-large'> {
    const answer = await this.#answerTo(index, body);
    this.count += 1;
    if (answer === 'too-large') {
      this.isIncomplete = true;
      return answer;
    }
    this.tookMs += answer.tookMs;
    return answer.hits;
  }

  /** How many documents match a query, exactly; `too-large` where the circuit breaker refuses to count them. */
  async total(index: string, query: string): Promise<number | 'too-large'> {
    const answer = await this.#answerTo(
      index,
      jsonObject({ size: '0', track_total_hits: 'true', query }),
    );
    this.count += 1;
    if (answer === 'too-large') return answer;
    this.tookMs += answer.tookMs;
    return answer.total ?? 0;
  }

  async #answerTo(index: string, body: string): Promise<SearchAnswer | 'too-large'> {
    const request = {
      method: 'POST',
      path: `/${indexPath(index)}/_search`,
      query: STRICT,
      body,
      maxBytes: MOST_BYTES,
      signal: this.#signal,
      unless: ({ code }: Fault) => code === OUT_OF_MEMORY,
    } as const;
    try {
      return await this.#requests.search(request);
    } catch (error) {
      if (isFault(error) && error.code === OUT_OF_MEMORY) return 'too-large';
      throw error;
    }
  }

  /** For the log. */
  toString(): string {
    const { count, tookMs } = this;
    return `${count} ${count === 1 ? 'search' : 'searches'}, ${tookMs} ms of Elasticsearch's time`;
  }
}
