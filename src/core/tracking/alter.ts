import { MigrateError } from '../errors.js';
import { sleep } from '../retry.js';
import type { Report } from '../run.js';
import type { SessionStatements, Statements } from './database.js';

/**
 * How long an ALTER TABLE waits for those who use the table, in seconds: all other statements on it wait behind it meanwhile. Then
 * how long they are let through before it is tried again, in milliseconds, and how often it is tried: for half a minute.
 */
const WAIT_S = 2;
const PAUSE_MS = 1_000;
const TRIES = 10;
const LOCK_WAIT_TIMEOUT = 1205;
/** When a statement that is still running is first reported, and how often from then on, in milliseconds. */
const SAY_EVERY_MS = 30_000;

/** Runs `work` with a short wait for table locks, so that processes at work never stand still for long because of it. */
export async function withShortLockWaits<T>(on: Statements, work: () => Promise<T>): Promise<T> {
  const [before] = await on.rows<{ seconds: number }>(
    'SELECT @@SESSION.lock_wait_timeout AS seconds',
  );
  const set = (seconds: number) => on.change('SET SESSION lock_wait_timeout = ?', [seconds]);
  await set(WAIT_S);
  const restore = () => set(before?.seconds ?? WAIT_S);
  let result: T;
  try {
    result = await work();
  } catch (error) {
    // The first error is the one reported.
    await restore().catch(() => undefined);
    throw error;
  }
  await restore();
  return result;
}

/**
 * Changes a table that processes are using. A transaction that is open for long, such as a backup's, keeps it from being changed.
 * A large table takes hours: that is waited for, with a line now and then.
 *
 * @throws MigrateError `busy` where a transaction keeps the table for half a minute
 */
export async function alter(
  { patient }: Pick<SessionStatements, 'patient'>,
  statement: string,
  report: Report,
  sayEveryMs = SAY_EVERY_MS,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await telling(report, statement, sayEveryMs, () => patient.change(statement));
      return;
    } catch (error) {
      if ((error as { errno?: number }).errno !== LOCK_WAIT_TIMEOUT) throw error;
      if (tries === TRIES) throw inUse(statement, error);
    }
    await sleep(PAUSE_MS, new AbortController().signal);
  }
}

/** Says every now and then that a statement is still running. */
async function telling(
  report: Report,
  statement: string,
  everyMs: number,
  work: () => Promise<unknown>,
): Promise<void> {
  const began = performance.now();
  const what = /^\w+ TABLE(?: IF NOT EXISTS)? \w+/.exec(statement)?.[0] ?? statement.slice(0, 40);
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - began) / 1000);
    const message = `tracking database: ${what} has been running for ${seconds} s; a large table takes long, and nothing has to be done`;
    report({ type: 'log', level: 'info', message });
  }, everyMs);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}

function inUse(statement: string, cause: unknown): MigrateError {
  const table = /^\w+ TABLE (\w+)/.exec(statement)?.[1] ?? '';
  return new MigrateError(
    'busy',
    `the schema is not migrated: a transaction of another connection has kept table ${table} in use for half a minute`,
    {
      cause,
      advice:
        'Find it with SHOW FULL PROCESSLIST (a backup, or a client that forgot to commit) and let it end or end it; then run the same command again.',
    },
  );
}
