import type { Socket } from 'node:net';
import {
  createPool,
  type Pool,
  type PoolConnection,
  type PoolOptions,
  type ResultSetHeader,
} from 'mysql2/promise';
import { isUsage } from '../errors.js';
import { retrying, sleep, type RetryPolicy } from '../retry.js';
import type { TrackingSettings } from '../settings.js';
import { cut, inTransaction, isBroken, isThere, statementsOn, usedAt } from './connection.js';
import { mysqlError } from './faults.js';
import { askingFirst, lookAtServer, requireWriter, type ServerFacts } from './server.js';
import {
  checkSession,
  openSession,
  sharesSessions,
  SMALLEST_PACKET_BYTES,
  type Session,
} from './session.js';
import { transportOptions } from './transport.js';

/**
 * Longest wait for one statement, in milliseconds; past it the connection counts as cut. Shorter where less than that is
 * left of the time it is retried, or a server that hangs would be waited for much longer than one that refuses.
 */
const LONGEST_STATEMENT_MS = 60_000;
const SHORTEST_STATEMENT_MS = 5_000;
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

/** What runs on the connection of a session. */
export interface SessionStatements extends Statements {
  /** For statements that may take hours (ALTER TABLE): they are waited for for as long as the connection lasts. */
  readonly patient: Statements;
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
    const dialled = (socket: Socket): void => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    };
    this.#pool = createPool(poolOptions(settings, connections, dialled));
    this.#policy = policy;
    this.#name = settings.database;
    this.#pool.on('connection', (connection) => {
      const { stream } = connection as unknown as { stream: Socket };
      this.#generations.set(connection, this.#generation);
      stream.once('close', () => this.#idle.delete(connection));
    });
    this.#pool.on('release', (connection) => this.#idle.add(connection));
    this.#pool.on('acquire', (connection) => this.#idle.delete(connection));
  }

  /** Of the connection that was opened last; before the first one, what every server takes. */
  get packetBytes(): number {
    return this.#packetBytes;
  }

  rows<T>(sql: string, parameters?: readonly Parameter[]): Promise<T[]> {
    return this.#statement('any', (on) => on.rows<T>(sql, parameters));
  }

  change(sql: string, parameters?: readonly Parameter[]): Promise<ResultSetHeader> {
    return this.#statement('write', (on) => on.change(sql, parameters));
  }

  /**
   * Runs `work` in a transaction: committed when it resolves, rolled back when it throws, or where the server has been demoted
   * meanwhile.
   */
  transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    return this.#retried('write', ({ on, opened }) =>
      // READ WRITE: a writer that was demoted refuses it to most users, before anything is read that no longer holds.
      inTransaction({ begin: 'START TRANSACTION READ WRITE', writes: true }, on, opened, work),
    );
  }

  /** A proxy keeps a client on one connection for a transaction only: there, a statement is one. */
  #statement<T>(access: Access, work: (on: Statements) => Promise<T>): Promise<T> {
    const writes = access === 'write';
    return this.#retried(access, ({ on, opened }) => {
      if (opened.isProxied)
        return inTransaction({ begin: 'START TRANSACTION', writes }, on, opened, work);
      return work(writes ? askingFirst(on) : on);
    });
  }

  /** Runs `work` on one connection, for session-bound things such as GET_LOCK; it must be safe to run again. */
  session<T>(work: (on: SessionStatements) => Promise<T>): Promise<T> {
    return this.#retried('write', async ({ on, patient, opened }) => {
      if (opened.isProxied) await checkSession(on);
      return work({ ...askingFirst(on), patient: askingFirst(patient) });
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
      const result = await work({
        on: statementsOn(connection, timeoutMs, opened.packetBytes),
        patient: statementsOn(connection, undefined, opened.packetBytes),
        opened,
      });
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

interface Connected {
  readonly on: Statements;
  /** The same connection, whose statements may take as long as they need. */
  readonly patient: Statements;
  readonly opened: ServerFacts & Session;
}

type Work<T> = (connected: Connected) => Promise<T>;

/** `write`: only a server that may be written to will do, whatever the user may do there. */
type Access = 'any' | 'write';

function statementTimeout(leftMs: number): number {
  return Math.min(LONGEST_STATEMENT_MS, Math.max(SHORTEST_STATEMENT_MS, leftMs));
}

/** What each connection leads to and allows, since it was set up. */
const prepared = new WeakMap<object, ServerFacts & Session>();

function poolOptions(
  settings: TrackingSettings,
  connections: number,
  dialled: (socket: Socket) => void,
): PoolOptions {
  const { user, password, database } = settings;
  return {
    ...transportOptions(settings, dialled),
    user,
    password,
    database,
    connectionLimit: connections,
    connectTimeout: 10_000,
    timezone: 'Z',
    charset: 'utf8mb4',
    supportBigNumbers: true,
  };
}
