import pRetry from 'p-retry';
import { MigrateError } from './errors.js';
import { isFault, type Fault } from './fault.js';
import { measured, type Report } from './run.js';

const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 10_000;
const STOPPED_PATIENCE_MS = 5_000;

/** What the one retry policy needs to know of a run. */
export interface RetryPolicy {
  /** How long one request is retried before its server counts as down, in milliseconds. */
  readonly retryForMs: number;
  readonly report: Report;
  /** The run's: once it is to stop, servers that are down are waited for no longer than a few seconds. */
  readonly stop?: AbortSignal;
}

export interface RetryUse {
  /** Stops waiting and trying; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Faults this caller answers differently than by waiting (a page too large for the server's memory). */
  readonly unless?: (fault: Fault) => boolean;
  /** Awaited before each attempt; that time is ours, not the server's: it doesn't count. Must reject once `signal` is aborted. */
  readonly turn?: () => Promise<void>;
}

/**
 * Runs `attempt` until it succeeds: the only place that retries. Retriable faults are tried again with
 * exponential backoff and jitter, 0.2 s to 10 s apart, or later where the server said `Retry-After`.
 * Everything else is thrown at once.
 *
 * @param attempt is told how much of `retryForMs` is left, in milliseconds, so that one that is never answered ends soon
 *   after it
 * @throws MigrateError once `retryForMs` have passed, without those spent on waiting for turns: `unavailable`, or `usage` where
 *   the fault says that waiting can't help
 */
export async function retrying<T>(
  policy: RetryPolicy,
  attempt: (leftMs: number) => Promise<T>,
  { signal, unless, turn }: RetryUse,
): Promise<T> {
  const startedAt = performance.now();
  let waited = 0;
  const inTurn = async () => {
    if (turn) {
      const from = performance.now();
      await turn();
      waited += performance.now() - from;
    }
    try {
      return await attempt(left());
    } catch (error) {
      if (isFault(error)) measured(policy.report, { kind: 'fault', server: error.server });
      throw error;
    }
  };
  const spent = () => performance.now() - startedAt - waited;
  const left = () => Math.max(0, patience(policy) - spent());
  const worthRepeating = (error: unknown): error is Fault =>
    isFault(error) && error.class === 'retriable' && !unless?.(error);
  const untilDown = () =>
    pRetry(inTurn, {
      retries: Number.POSITIVE_INFINITY,
      // The last attempt is made when the time is over, not up to a whole backoff later.
      maxRetryTime: left(),
      minTimeout: FIRST_BACKOFF_MS,
      maxTimeout: LONGEST_BACKOFF_MS,
      randomize: true,
      signal,
      shouldRetry: async ({ error, attemptNumber }) => {
        if (!worthRepeating(error)) return false;
        if (left() <= (error.retryAfterMs ?? 0)) return false;
        policy.report({
          type: 'log',
          level: attemptNumber === 1 ? 'warn' : 'debug',
          message: `${error.message}; trying again for up to ${seconds(left())}`,
        });
        if (error.retryAfterMs !== undefined) await sleep(error.retryAfterMs, signal);
        return true;
      },
    });
  for (let backoff = FIRST_BACKOFF_MS; ; backoff = Math.min(backoff * 2, LONGEST_BACKOFF_MS)) {
    try {
      return await untilDown();
    } catch (error) {
      if (signal.aborted || !worthRepeating(error)) throw error;
      if (left() <= (error.retryAfterMs ?? 0)) throw down(error, spent(), policy);
      // By p-retry's clock the time is over, and by ours it is not: turns were waited for.
      await sleep(Math.min(left(), backoff), signal);
    }
  }
}

/** How long a request is retried, in milliseconds. */
function patience({ retryForMs, stop }: RetryPolicy): number {
  return stop?.aborted ? Math.min(retryForMs, STOPPED_PATIENCE_MS) : retryForMs;
}

/** Waits, or rejects with the signal's reason as soon as it is aborted. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function down(fault: Fault, spentMs: number, { stop }: RetryPolicy): MigrateError {
  const { server, message, retryAfterMs, lasting } = fault;
  const asked = retryAfterMs ? ` and asks for another ${seconds(retryAfterMs)}` : '';
  const again = `Run the same command again once ${server} answers, it goes on where it stopped`;
  const advice = lasting?.advice
    ? `${lasting.advice} ${again}.`
    : `${again}; if it never did, correct its address in the configuration.`;
  // A run that is to stop waits for seconds only: what it meets in them need not last.
  const kind = stop?.aborted ? 'unavailable' : (lasting?.kind ?? 'unavailable');
  const says = lasting?.says ?? `${server} was down`;
  return new MigrateError(kind, `${says} for ${seconds(spentMs)}${asked}: ${message}`, {
    advice,
    cause: fault,
  });
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`;
}
