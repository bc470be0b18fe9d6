import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import {
  createPool,
  type Pool,
  type PoolConnection,
  type PoolOptions,
  type ResultSetHeader,
  type RowDataPacket,
} from 'mysql2/promise';
import { isUsage } from '../errors.js';
import { retrying, sleep, type RetryPolicy } from '../retry.js';
import type { TrackingSettings } from '../settings.js';
import { classify, mysqlError } from './faults.js';
import { lookAtServer, requireWriter, type ServerFacts } from './server.js';
import {
  checkSession,
  openSession,
  sharesSessions,
  SMALLEST_PACKET_BYTES,
  type Session,
} from './session.js';

/**
 * Longest wait for one statement, in milliseconds; past it the connection counts as cut. Shorter where less than that is
 * left of the time it is retried, or a server that hangs would be waited for much longer than one that refuses.
 */
const LONGEST_STATEMENT_MS = 60_000;
const SHORTEST_STATEMENT_MS = 5_000;
/** A connection that was not used for so long is asked whether it is still there, in milliseconds. */
const IDLE_MS = 5_000;
/** Longest wait for its answer, in milliseconds. */
const PING_MS = 2_000;
/** How long connections may take to say good-bye, in milliseconds. */
const CLOSING_MS = 1_000;

/** A value that may stand for a `?`. */
export type Parameter =
  string | number | bigint | boolean | Date | Buffer | null | readonly Parameter[];

/** What statements run on: a pool's connection for one statement, or the connection of a transaction. */
export interface Statements {
  /** Runs a SELECT. */
  rows<T>(sql: string, parameters?: readonly Parameter[]): Promise<T[]>;
  /** Runs anything else; `affectedRows` counts the rows a WHERE found, changed or not. */
  change(sql: string, parameters?: readonly Parameter[]): Promise<ResultSetHeader>;
  /** Longest statement the server takes, in bytes; see packets.ts. */
  readonly packetBytes: number;
}

/**
 * The tracking database: single statements and transactions, retried by the one policy.
 * Whatever runs in `transaction` must be safe to run again, even if its COMMIT had gone through unheard.
 */
export class Database implements Statements {
  readonly #pool: Pool;
  readonly #policy: RetryPolicy;
  readonly #sockets = new Set<Socket>();
  readonly #idle = new Set<object>();
  /** Counts how often connections turned out to lead to a server that can't be used any more. */
  #generation = 0;
  readonly #generations = new WeakMap<object, number>();
  readonly #name: string;
  #packetBytes = SMALLEST_PACKET_BYTES;

  constructor(settings: TrackingSettings, policy: RetryPolicy, connections: number) {
    this.#pool = createPool(poolOptions(settings, connections));
    this.#policy = policy;
    this.#name = settings.database;
    this.#pool.on('connection', (connection) => {
      const { stream } = connection as unknown as { stream: Socket };
      this.#sockets.add(stream);
      this.#generations.set(connection, this.#generation);
      stream.once('close', () => {
        this.#sockets.delete(stream);
        this.#idle.delete(connection);
      });
    });
    this.#pool.on('release', (connection) => this.#idle.add(connection));
    this.#pool.on('acquire', (connection) => this.#idle.delete(connection));
  }

  /** Of the connection that was opened last; before the first one, what every server takes. */
  get packetBytes(): number {
    return this.#packetBytes;
  }

  rows<T>(sql: string, parameters?: readonly Parameter[]): Promise<T[]> {
    return this.#statement((on) => on.rows<T>(sql, parameters));
  }

  change(sql: string, parameters?: readonly Parameter[]): Promise<ResultSetHeader> {
    return this.#statement((on) => on.change(sql, parameters));
  }

  /** Runs `work` in a transaction: committed when it resolves, rolled back when it throws. */
  transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    return this.#retried('write', (on, opened) =>
      // READ WRITE: a writer that was demoted refuses it, before anything is read from it that no longer holds.
      inTransaction('START TRANSACTION READ WRITE', on, opened, work),
    );
  }

  /** A proxy keeps a client on one connection for a transaction only: there, a statement is one. */
  #statement<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    return this.#retried('any', (on, opened) =>
      opened.isProxied ? inTransaction('START TRANSACTION', on, opened, work) : work(on),
    );
  }

  /** Runs `work` on one connection, for session-bound things such as GET_LOCK; it must be safe to run again. */
  session<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    return this.#retried('any', async (on, { isProxied }) => {
      if (isProxied) await checkSession(on);
      return work(on);
    });
  }

  #retried<T>(access: Access, work: Work<T>): Promise<T> {
    // Never aborted: a statement is short, and cutting one off would leave its outcome unknown.
    const { signal } = new AbortController();
    const attempt = (leftMs: number) => this.#connected(access, work, statementTimeout(leftMs));
    return retrying(this.#policy, attempt, { signal });
  }

  /** Ends all connections; those whose server doesn't answer any more are cut after a second. */
  async close(): Promise<void> {
    const open = [...this.#sockets];
    const closed = Promise.all(
      open.map((socket) => new Promise((done) => socket.once('close', done))),
    );
    // Not always answered: not where a connection breaks meanwhile.
    const ended = this.#pool.end().catch(() => undefined);
    // A timer that nobody waits for any more would keep the process alive.
    const patience = new AbortController();
    await Promise.race([
      Promise.all([ended, closed]),
      sleep(CLOSING_MS, patience.signal).catch(() => undefined),
    ]);
    patience.abort();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #connected<T>(access: Access, work: Work<T>, timeoutMs: number): Promise<T> {
    const connection = await this.#take();
    try {
      const opened = await this.#opened(connection, timeoutMs);
      if (access === 'write') requireWriter(opened);
      const result = await work(statementsOn(connection, timeoutMs, opened.packetBytes), opened);
      connection.release();
      return result;
    } catch (error) {
      const product = prepared.get(connection.connection)?.product;
      if (isBroken(error)) this.#abandon(connection);
      else connection.release();
      throw mysqlError(error, product);
    } finally {
      usedAt.set(connection.connection, Date.now());
    }
  }

  /** Sets the session up and asks what server it is on, once per connection, before its first statement. */
  async #opened(connection: PoolConnection, timeoutMs: number): Promise<ServerFacts & Session> {
    const known = prepared.get(connection.connection);
    if (known) return known;
    const on = statementsOn(connection, timeoutMs, SMALLEST_PACKET_BYTES);
    try {
      const look = () => lookAtServer(on, connection.threadId);
      const session = await openSession(on, this.#name).catch(async (error: unknown) => {
        const facts = isUsage(error) ? await look().catch(() => undefined) : undefined;
        throw facts?.isProxied ? sharesSessions((error as Error).message, error) : error;
      });
      const facts = await look();
      const opened = { ...session, ...facts };
      this.#packetBytes = opened.packetBytes;
      prepared.set(connection.connection, opened);
      return opened;
    } catch (error) {
      // With half of its settings it is of no use: marked as fatal, its error closes it.
      throw Object.assign(error as Error, { fatal: true });
    }
  }

  /**
   * A connection that answers. Of one that was idle servers and routers may have let go without a word; a statement on it
   * would wait as long as for a server that hangs, and a function that was frozen in between has no such time.
   */
  async #take(): Promise<PoolConnection> {
    for (;;) {
      const connection = await this.#pool.getConnection().catch((error: unknown) => {
        throw mysqlError(error);
      });
      const isOfOldServer = this.#generations.get(connection.connection) !== this.#generation;
      if (!isOfOldServer && (await isThere(connection))) return connection;
      cut(connection);
    }
  }

  /**
   * Closes a connection that broke or whose server can't be used any more, and with it all the others: those that are
   * idle now, those in use when they come back. After a failover they still lead to the old server, and the next ones
   * are opened to wherever the address leads by then.
   */
  #abandon(connection: PoolConnection): void {
    this.#generation += 1;
    cut(connection);
    for (const idle of this.#idle) {
      this.#idle.delete(idle);
      const { destroy, stream } = idle as { destroy: () => void; stream: Socket };
      destroy.call(idle);
      stream.destroy();
    }
  }
}

type Work<T> = (on: Statements, opened: ServerFacts & Session) => Promise<T>;

/** `write`: only a server that may be written to will do. */
type Access = 'any' | 'write';

async function inTransaction<T>(
  begin: string,
  on: Statements,
  { isProxied }: ServerFacts,
  work: (on: Statements) => Promise<T>,
): Promise<T> {
  await on.change(begin);
  try {
    if (isProxied) await checkSession(on);
    const result = await work(on);
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

function statementTimeout(leftMs: number): number {
  return Math.min(LONGEST_STATEMENT_MS, Math.max(SHORTEST_STATEMENT_MS, leftMs));
}

function statementsOn(
  connection: PoolConnection,
  timeoutMs: number,
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
async function answeredWithin<T>(timeoutMs: number, query: Promise<T>): Promise<T> {
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
function cut(connection: PoolConnection): void {
  connection.destroy();
  (connection.connection as unknown as { stream: Socket }).stream.destroy();
}

/** When a connection was last used, by the wall clock: any other may stand still while a process is frozen. */
const usedAt = new WeakMap<object, number>();

async function isThere(connection: PoolConnection): Promise<boolean> {
  const used = usedAt.get(connection.connection);
  if (used === undefined || Math.abs(Date.now() - used) < IDLE_MS) return true;
  return answeredWithin(PING_MS, connection.ping()).then(
    () => true,
    () => false,
  );
}

/** What each connection leads to and allows, since it was set up. */
const prepared = new WeakMap<object, ServerFacts & Session>();

/** After these the connection must not go back into the pool: a late answer could meet the next statement. */
function isBroken(error: unknown): boolean {
  if ((error as { fatal?: boolean }).fatal === true) return true;
  const { class: errorClass } = classify(error);
  return errorClass === 'connection' || errorClass === 'read-only';
}

function poolOptions(settings: TrackingSettings, connections: number): PoolOptions {
  const { host, port, socketPath, user, password, database, tls } = settings;
  return {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    user,
    password,
    database,
    ...(tls && {
      ssl: {
        ...(tls.caFile !== undefined && { ca: readFileSync(tls.caFile) }),
        rejectUnauthorized: !tls.insecure,
        verifyIdentity: !tls.insecure,
      },
    }),
    connectionLimit: connections,
    connectTimeout: 10_000,
    enableKeepAlive: true,
    timezone: 'Z',
    charset: 'utf8mb4',
    supportBigNumbers: true,
  };
}
