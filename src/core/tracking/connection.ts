import type { Socket } from 'node:net';
import type { PoolConnection, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import type { Parameter, Statements } from './database.js';
import { classify, FILE_REQUEST } from './faults.js';
import { requireStillWriter, type ServerFacts } from './server.js';
import { checkSession } from './session.js';

/** A connection that was not used for so long is asked whether it is still there, in milliseconds. */
const IDLE_MS = 5_000;
/** Longest wait for its answer, in milliseconds. */
const PING_MS = 2_000;

/** Statements on one connection; one that is not answered for `timeoutMs` breaks it. `undefined`: it is waited for for ever. */
export function statementsOn(
  connection: PoolConnection,
  timeoutMs: number | undefined,
  packetBytes: number,
): Statements {
  return {
    packetBytes,
    rows: async <T>(sql: string, parameters: readonly Parameter[] = []) => {
      const query = connection.query<RowDataPacket[]>(sql, [...parameters]);
      const [rows] = await answeredWithin(timeoutMs, query);
      return rows as T[];
    },
    change: async (sql, parameters = []) => {
      const query = connection.query<ResultSetHeader>(sql, [...parameters]);
      const [result] = await answeredWithin(timeoutMs, query);
      return result;
    },
  };
}

/** mysql2's own timer outlives a connection that breaks: the process would wait for it. */
async function answeredWithin<T>(timeoutMs: number | undefined, query: Promise<T>): Promise<T> {
  if (timeoutMs === undefined) return query;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer for ${Math.round(timeoutMs / 1000)} s`);
      reject(Object.assign(error, { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }));
    }, timeoutMs);
  });
  try {
    return await Promise.race([query, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** mysql2 only says good-bye to the server, and a server that hangs would never let go of the connection. */
export function cut(connection: PoolConnection): void {
  connection.destroy();
  (connection.connection as unknown as { stream: Socket }).stream.destroy();
}

/** When a connection was last used, by the wall clock: any other may stand still while a process is frozen. */
export const usedAt = new WeakMap<object, number>();

/** Whether a connection that idled still answers; what was used just now is not asked. */
export async function isThere(connection: PoolConnection): Promise<boolean> {
  const used = usedAt.get(connection.connection);
  if (used === undefined || Math.abs(Date.now() - used) < IDLE_MS) return true;
  return answeredWithin(PING_MS, connection.ping()).then(
    () => true,
    () => false,
  );
}

export interface Transaction {
  /** The statement it begins with. */
  readonly begin: string;
  /** Whether it may change something: it is committed only where the server can be written to then. */
  readonly writes: boolean;
}

/**
 * Runs `work` between the first statement and COMMIT, or rolls back. Behind a proxy the session is compared first: see
 * {@link checkSession}.
 */
export async function inTransaction<T>(
  { begin, writes }: Transaction,
  on: Statements,
  { isProxied }: ServerFacts,
  work: (on: Statements) => Promise<T>,
): Promise<T> {
  await on.change(begin);
  try {
    if (isProxied) await checkSession(on);
    const result = await work(on);
    if (writes) await requireStillWriter(on);
    await on.change('COMMIT');
    return result;
  } catch (error) {
    // A broken connection is destroyed instead: a ROLLBACK would wait behind the statement that hangs.
    if (!isBroken(error)) {
      await on.change('ROLLBACK').catch(() => {
        // Or the next user of the connection would be inside this transaction.
        Object.assign(error as object, { fatal: true });
      });
    }
    throw error;
  }
}

/** After these the connection must not go back into the pool: a late answer could meet the next statement. */
export function isBroken(error: unknown): boolean {
  if ((error as { fatal?: boolean }).fatal === true) return true;
  const { class: errorClass, rule } = classify(error);
  return errorClass === 'connection' || errorClass === 'read-only' || rule === FILE_REQUEST;
}
