import { z } from 'zod';
import { certificateAdvice, isCertificateProblem, lacksTlsVersion } from '../certificates.js';
import { MigrateError, usage } from '../errors.js';
import { Fault, isFault, parseRetryAfter } from '../fault.js';
import { comparedText, serverText } from '../server-text.js';
import { redirectTarget } from '../redirect.js';
import type { LimitReason } from './limiter.js';

/** What Elasticsearch says it is when a page of documents does not fit its memory. */
export const OUT_OF_MEMORY = 'circuit_breaking_exception';
/** What a request that was given up after a silence is called. */
export const NO_ANSWER = 'TimeoutError';
/** The point in time is gone: it expired, or the node that held it restarted. */
export const PIT_LOST = 'search_context_missing_exception';
export const INDEX_MISSING = 'index_not_found_exception';
export const INDEX_CLOSED = 'index_closed_exception';
/** Said of an index, among other things, while it is being closed. */
const BLOCKED = 'cluster_block_exception';
/** A document begins with a comment: it was taken when it was sent, and fails every search that finds it, with 500. */
const UNREADABLE = 'not_x_content_exception';

/** Of another type than Elasticsearch writes, it counts as not there: whatever refuses a request may say anything. */
const word = z.string().optional().catch(undefined);
const errorCause = z.object({
  type: word,
  reason: word,
  /** The index it is about. */
  index: word,
  caused_by: z.object({ type: word, reason: word }).optional().catch(undefined),
});
const errorBody = z.object({
  error: z.union([
    z.string(),
    errorCause.extend({
      root_cause: z.array(errorCause).optional().catch(undefined),
      failed_shards: z
        .array(z.object({ reason: errorCause.optional().catch(undefined) }))
        .optional()
        .catch(undefined),
    }),
  ]),
});

/** Longest type of an error, in characters. */
const LONGEST_TYPE = 64;
/** Of an answer that is no JSON, such as a page of HTML, in characters. */
const LONGEST_BEGINNING = 200;

/** Turns an answer with a status of 400 or more into a Fault, or a MigrateError where only the user can help. */
export function answeredError(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Buffer,
): Fault | MigrateError {
  const cause = causeOf(body);
  // As it is: it is compared below, and by the code that catches it.
  const { type } = cause;
  const reason = cause.reason && serverText(cause.reason);
  const named = type === undefined ? `status ${status}` : serverText(type, LONGEST_TYPE);
  const said = `${named}${reason === undefined ? '' : `: ${reason}`}`;
  if (status === 401) {
    return usage(
      'Elasticsearch refused the credentials (401)',
      'Check ES_MIGRATE_SOURCE_API_KEY, or ES_MIGRATE_SOURCE_USERNAME and ES_MIGRATE_SOURCE_PASSWORD.',
    );
  }
  if (type === BLOCKED && comparedText(cause.reason).includes('index closed')) {
    return new Fault('Elasticsearch', 'request', INDEX_CLOSED, reason ?? '', { status });
  }
  if (status === 403) {
    return usage(
      `Elasticsearch does not allow this (403): ${said}`,
      'Grant the user the privileges read and view_index_metadata on the source and related indices.',
    );
  }
  // What does not name its error is not Elasticsearch's word but that of something before it.
  const passes = [408, 429].includes(status) || status >= 500 || type === undefined;
  const retriable = passes && type !== UNREADABLE;
  const asked = headers['retry-after'];
  return new Fault(
    'Elasticsearch',
    retriable ? 'retriable' : 'request',
    type ?? String(status),
    `Elasticsearch answered ${status}: ${said}`,
    { status, retryAfterMs: parseRetryAfter(Array.isArray(asked) ? asked[0] : asked, Date.now()) },
  );
}

/**
 * Whether a fault says that less must be asked for: 429, from whoever stands before the shards, or a shard's own word,
 * which may come in an answer of 200.
 */
export function overloadOf({ code, status }: Fault): LimitReason | undefined {
  if (code === OUT_OF_MEMORY) return 'too little memory';
  return status === 429 || code.endsWith('rejected_execution_exception')
    ? 'too many requests'
    : undefined;
}

/** The innermost cause that names itself: what wraps it says only "all shards failed". */
function causeOf(body: Buffer): { type?: string | undefined; reason?: string | undefined } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    const beginning = serverText(body.toString('utf8'), LONGEST_BEGINNING);
    return { reason: beginning.replaceAll(/\s+/g, ' ') || undefined };
  }
  const { error } = errorBody.safeParse(parsed).data ?? {};
  if (error === undefined || typeof error === 'string') return { reason: error };
  const cause: z.infer<typeof errorCause> =
    error.root_cause?.[0] ?? error.failed_shards?.[0]?.reason ?? error.caused_by ?? error;
  const reason = cause.caused_by?.reason ?? cause.reason ?? error.reason ?? '';
  const { index } = cause;
  return {
    type: cause.type ?? error.type,
    reason: index === undefined || reason.includes(index) ? reason : `${reason} (${index})`,
  };
}

/**
 * A redirect, which is not followed: the credentials would go along. Before Elasticsearch has answered once, the address is
 * wrong; later it is something before it, such as a page for maintenance, and is tried again.
 */
export function redirected(
  status: number,
  location: string | undefined,
  url: string,
  hasAnswered: boolean,
): Fault | MigrateError {
  const to = redirectTarget(location);
  const message = `what answers at ${url} redirects (${status}) to ${to}; es-migrate follows no redirects`;
  const advice =
    'Correct source.url. If the address is right, somebody or something in between answers.';
  if (!hasAnswered) return usage(message, advice);
  const lasting = {
    kind: 'usage',
    says: 'Elasticsearch has been behind a redirect',
    advice,
  } as const;
  return new Fault('Elasticsearch', 'retriable', String(status), message, { status, lasting });
}

/** Turns an error of the client or of the connection (no answer) into a Fault or a MigrateError. */
export function connectionError(error: unknown, url: string): unknown {
  if (!(error instanceof Error)) return error;
  const message = serverText(error.message);
  const compared = comparedText(error.message);
  if (isCertificateProblem(compared)) {
    return usage(
      `the certificate of Elasticsearch at ${url} was not accepted: ${message}`,
      certificateAdvice(compared, { url: 'source.url', caFile: 'source.caFile' }),
      error,
    );
  }
  if (lacksTlsVersion(compared)) {
    return usage(
      `Elasticsearch at ${url} has no TLS 1.2 or later: ${message}`,
      'Check host and port in source.url. If they are right, enable TLS 1.2 at the server.',
      error,
    );
  }
  if (/wrong version number/.test(compared)) {
    return usage(
      `Elasticsearch at ${url} does not speak TLS`,
      'Check host and port in source.url: this may be another server, or somebody in between. If it is the right one, ask its administrator to enable TLS.',
      error,
    );
  }
  const known = [
    'ConnectionError',
    'TimeoutError',
    'NoLivingConnectionsError',
    'RequestAbortedError',
  ];
  const broken =
    known.includes(error.name) ||
    SYSTEM_CODE.test((error as { code?: string }).code ?? '') ||
    compared === 'terminated';
  if (!broken) return error;
  return new Fault(
    'Elasticsearch',
    'retriable',
    error.name,
    // Where a host has several addresses, the error of all of them has no message of its own.
    `cannot reach Elasticsearch at ${url}: ${message || 'connection refused'}`,
    {
      cause: error,
    },
  );
}

/** Elasticsearch, or what stands before it, took the request and has said nothing for too long. */
export function noAnswer(url: string, afterMs: number): Fault {
  const message = `Elasticsearch at ${url} has not answered for ${Math.round(afterMs / 1000)} s`;
  return new Fault('Elasticsearch', 'retriable', NO_ANSWER, message);
}

/** An index was closed after it was looked at: it is there, and none of it can be read until somebody opens it. */
export function unsearchable(error: unknown): unknown {
  if (!isFault(error) || error.code !== INDEX_CLOSED) return error;
  return usage(
    `an index was closed meanwhile, and can't be read (${error.message})`,
    'Open it and run the same command again, or narrow the setting that stands for it (source.index, or index in source.related).',
    error,
  );
}

/** Points in time are lost when their node restarts; again and again, when something is wrong there. */
export function pointsInTimeLost(cause?: unknown): MigrateError {
  return new MigrateError('unavailable', 'Elasticsearch lost one point in time after the other', {
    advice: 'Find out why in its log (nodes that restart?), then run the same command again.',
    cause,
  });
}

/**
 * Of the system (ECONNRESET), of undici (UND_ERR_SOCKET), of TLS records that cannot be read, or of a body cut short; Node's
 * other ERR_… are mistakes in how it was called.
 */
const SYSTEM_CODE = /^((?!ERR_)(E[A-Z]|UND_ERR_)|ERR_SSL_|ERR_STREAM_PREMATURE_CLOSE$)/;
