import type { Client } from '@elastic/elasticsearch';
import type { z } from 'zod';
import { linkSignals } from '../any-signal.js';
import { isMigrateError, usage } from '../errors.js';
import { type Fault, isFault } from '../fault.js';
import { malformed, parsedAnswer } from './json-answer.js';
import { retrying, type RetryPolicy } from '../retry.js';
import { measured } from '../run.js';
import { parseAggregations, parseSearch, type SearchAnswer } from './answer.js';
import {
  answeredError,
  connectionError,
  NO_ANSWER,
  noAnswer,
  overloadOf,
  redirected,
  unsearchable,
} from './faults.js';
import type { Limiter } from './limiter.js';
import type { Pace } from './pace.js';

export interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With every variable part already percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | boolean>>;
  /** JSON text. */
  readonly body?: string;
  /** An answer that is longer is `too-large`, in bytes; it is read no further. */
  readonly maxBytes?: number;
  /** Told how many bytes such an answer has: it is read to its end then, and dropped. */
  readonly beyond?: ((bytes: number) => void) | undefined;
  readonly signal: AbortSignal;
  /** What is wrong with a search's answer, as its predicate, where it is not what was asked for; it is asked for again then. */
  readonly refuse?: (answer: SearchAnswer) => string | undefined;
  /** Faults the caller answers differently than by waiting. */
  readonly unless?: (fault: Fault) => boolean;
}

/** Largest answer where a request names no limit of its own: ids, mappings, counts. */
const DEFAULT_MAX_BYTES = 64 << 20;
const MAX_ERROR_BYTES = 1 << 20;
/** Bytes of an answer that show whether it was to be JSON. */
const LOOKED_AT = 100;
/**
 * Longest silence, before an answer or within it, in milliseconds: what a busy cluster answers after a minute is an
 * answer. Near the end of `retryFor` shorter, so that a server that hangs is not waited for much longer than that.
 */
const LONGEST_SILENCE_MS = 90_000;
const OVERTIME_MS = 15_000;
/** Named here, since the client takes a body that is text already for plain text. */
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json' };

/** For `refuse`, of a search that asks for the total. */
export function withoutCount({ total }: SearchAnswer): string | undefined {
  return total === undefined ? 'lacks the count that was asked for' : undefined;
}

/** How often, and how many at once, Elasticsearch may be asked. */
export interface Brakes {
  readonly pace: Pace;
  readonly limiter: Limiter;
}

/** Requests to Elasticsearch: limited, paced, retried by the one policy, answered in raw bytes. */
export class Requests {
  readonly #client: Client;
  readonly #pace: Pace;
  readonly #limiter: Limiter;
  readonly #policy: RetryPolicy;
  readonly #url: string;
  #hasAnswered = false;

  constructor(client: Client, { pace, limiter }: Brakes, policy: RetryPolicy, url: string) {
    this.#client = client;
    this.#pace = pace;
    this.#limiter = limiter;
    this.#policy = policy;
    this.#url = url;
  }

  /** The answer's body, or `too-large` where it exceeds `maxBytes` (the rest is not read). */
  bytes(request: Request): Promise<Buffer | 'too-large'> {
    return this.#retried(request, (body) => body);
  }

  /** A search's answer. One that is short though its status was 200 is asked for again, as any other failure is. */
  search(request: Request): Promise<(SearchAnswer & { readonly bytes: number }) | 'too-large'> {
    return this.#searched(request, (body) => {
      const answer = parseSearch(body);
      const wrong = request.refuse?.(answer);
      if (wrong !== undefined) throw malformed(wrong);
      this.#pace.took(answer.tookMs);
      return { ...answer, bytes: body.length };
    });
  }

  /** The aggregations of a search, parsed. One that is short is asked for again, as with `search`. */
  async aggregations<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
    const answer = await this.#searched(request, (body) => {
      const { aggregations, tookMs } = parseAggregations(body, schema);
      this.#pace.took(tookMs);
      return { aggregations };
    });
    if (answer === 'too-large')
      throw new Error(`${request.path} answered more than ${DEFAULT_MAX_BYTES} bytes`);
    return answer.aggregations;
  }

  /**
   * The answer, parsed; for answers that carry no documents. One that breaks off, or is not what `schema` says, is asked for
   * again.
   * @throws MigrateError `usage` where it is no JSON: whatever answers there is no Elasticsearch
   */
  async json<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
    const answer = await this.#retried(request, (body) => ({
      parsed: this.#parsed(body, schema),
    }));
    if (answer === 'too-large')
      throw new Error(`${request.path} answered more than ${DEFAULT_MAX_BYTES} bytes`);
    return answer.parsed;
  }

  #parsed<T>(body: Buffer, schema: z.ZodType<T>): T {
    try {
      return parsedAnswer(body, schema);
    } catch (error) {
      if (/^\s*([{[]|$)/.test(body.toString('latin1', 0, LOOKED_AT))) throw error;
      throw usage(
        `what answers at ${this.#url} is not Elasticsearch: its answer is not JSON`,
        'Correct source.url.',
        error,
      );
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** @throws MigrateError `usage` where an index is closed: no search of it can be answered, and its documents are there */
  async #searched<T>(request: Request, read: (body: Buffer) => T): Promise<T | 'too-large'> {
    try {
      return await this.#retried(request, read);
    } catch (error) {
      throw unsearchable(error);
    }
  }

  /** Reading the answer is part of the attempt: one that turns out unusable is worth asking for again. */
  #retried<T>(request: Request, read: (body: Buffer) => T): Promise<T | 'too-large'> {
    const { signal, unless } = request;
    return retrying(
      this.#policy,
      async (leftMs) => {
        try {
          const silenceMs = Math.min(LONGEST_SILENCE_MS, leftMs + OVERTIME_MS);
          return await this.#watched(request, silenceMs, read);
        } finally {
          this.#limiter.leave();
        }
      },
      { signal, turn: () => this.#turn(signal), ...(unless && { unless }) },
    );
  }

  /** Waits until one more request may be sent; the limiter is to be left when it has ended. */
  async #turn(signal: AbortSignal): Promise<void> {
    const entering = this.#limiter.enter(signal);
    if (entering) await entering;
    try {
      await this.#pace.turn(signal, this.#limiter.share);
    } catch (error) {
      this.#limiter.leave();
      throw error;
    }
  }

  /** One attempt, of which the limiter hears: a refusal, or how long the answer was waited for. */
  async #watched<T>(
    request: Request,
    silenceMs: number,
    read: (body: Buffer) => T,
  ): Promise<T | 'too-large'> {
    const { falls } = this.#limiter;
    try {
      const { body, afterMs } = await this.#once(request, silenceMs);
      const result = body === 'too-large' ? body : read(body);
      this.#limiter.answered(falls, afterMs);
      measured(this.#policy.report, { kind: 'answer', ms: afterMs });
      return result;
    } catch (error) {
      if (isFault(error)) {
        const overload = overloadOf(error);
        if (overload) {
          this.#limiter.refused(falls, overload);
          measured(this.#policy.report, { kind: 'refused' });
        } else if (error.code === NO_ANSWER) this.#limiter.answered(falls, silenceMs);
      }
      throw error;
    }
  }

  /**
   * Sends it once. `afterMs` is how long the answer's head was waited for: Elasticsearch sends it when it has searched
   * and fetched, so neither the network nor our own work on large bodies counts as the server's slowness.
   */
  async #once(
    { method, path, query, body, maxBytes = DEFAULT_MAX_BYTES, beyond, signal }: Request,
    silenceMs: number,
  ): Promise<{ readonly body: Buffer | 'too-large'; readonly afterMs: number }> {
    const sentAt = performance.now();
    const silent = new AbortController();
    const silence = setTimeout(() => {
      silent.abort(noAnswer(this.#url, silenceMs));
    }, silenceMs);
    // A signal of this request's own: the client would tell a time-out to everybody who listens to the one it is given.
    const either = linkSignals(signal, silent.signal);
    try {
      // As a stream: the client would turn the body into a string, and leaves status checks to us then.
      const answer = await this.#client.transport.request<
        AsyncIterable<Buffer> & { destroy(): void }
      >(
        {
          method,
          path,
          ...(query && { querystring: { ...query } }),
          ...(body !== undefined && { body }),
        },
        { asStream: true, meta: true, signal: either.signal, headers: JSON_HEADERS },
      );
      const afterMs = performance.now() - sentAt;
      const { statusCode, headers } = answer;
      const failed = statusCode >= 300;
      const limit = failed ? { maxBytes: MAX_ERROR_BYTES } : { maxBytes, beyond };
      const bytes = await collect(answer.body, limit, () => silence.refresh());
      if (statusCode >= 300 && statusCode < 400)
        throw redirected(statusCode, firstOf(headers['location']), this.#url, this.#hasAnswered);
      if (failed)
        throw answeredError(statusCode, headers, bytes === 'too-large' ? Buffer.alloc(0) : bytes);
      this.#hasAnswered = true;
      return { body: bytes, afterMs };
    } catch (error) {
      signal.throwIfAborted();
      silent.signal.throwIfAborted();
      if (isFault(error) || isMigrateError(error)) throw error;
      throw connectionError(error, this.#url);
    } finally {
      clearTimeout(silence);
      either.unlink();
    }
  }
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** All of a stream as one buffer; where it exceeds `maxBytes` it is destroyed, or read to its end for `beyond`. */
export async function collect(
  stream: AsyncIterable<Buffer> & { destroy?(): void },
  { maxBytes, beyond }: Pick<Request, 'beyond'> & { readonly maxBytes: number },
  onChunk: () => void = () => undefined,
): Promise<Buffer | 'too-large'> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    onChunk();
    length += chunk.length;
    if (length <= maxBytes) chunks.push(chunk);
    // Leaving the loop destroys the stream, and with it the connection: the rest is never sent.
    else if (!beyond) return 'too-large';
    else chunks.length = 0;
  }
  if (length > maxBytes) {
    beyond?.(length);
    return 'too-large';
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length);
}
