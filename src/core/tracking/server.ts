import type { Statements } from './database.js';
import type { Product } from './error-rules/rule.js';

/** What a connection leads to, as it was when it was opened. */
export interface ServerFacts {
  readonly product: Product;
  /** The setting because of which nobody may write there: a replica, a reader endpoint, or a writer that was demoted. */
  readonly readOnly: 'read_only' | 'innodb_read_only' | undefined;
  /** Something between us and the server speaks for it: it may run each statement on another connection. */
  readonly isProxied: boolean;
}

/**
 * Asks the server behind a new connection what it is. A user with the privilege to write on a read-only server would
 * otherwise write to a replica, and everybody else would read from one that lags behind.
 *
 * @param greetedAs the connection's number as it was told when it was opened: a proxy gives one of its own
 */
export async function lookAtServer(on: Statements, greetedAs: number): Promise<ServerFacts> {
  // The greeting has room for 32 bits. ProxySQL answers SELECT CONNECTION_ID() itself, where it stands alone.
  const [row] = await on.rows<ReadOnlySettings & { version: string; id: number }>(
    `SELECT VERSION() AS version, ${READ_ONLY}, CONNECTION_ID() & 4294967295 AS id`,
  );
  if (!row) throw new Error('MySQL answered SELECT VERSION() without a row');
  return {
    product: /mariadb/i.test(row.version) ? 'MariaDB' : 'MySQL',
    readOnly: readOnlyBy(row),
    isProxied: row.id !== greetedAs,
  };
}

interface ReadOnlySettings {
  readonly readOnly: unknown;
  readonly innodbReadOnly: unknown;
}

/** MySQL's super_read_only is not asked for: it cannot be ON while read_only is OFF. */
const READ_ONLY = '@@GLOBAL.read_only AS readOnly, @@GLOBAL.innodb_read_only AS innodbReadOnly';

function readOnlyBy({ readOnly, innodbReadOnly }: ReadOnlySettings): ServerFacts['readOnly'] {
  if (isOn(readOnly)) return 'read_only';
  return isOn(innodbReadOnly) ? 'innodb_read_only' : undefined;
}

/** A number, or since MariaDB 12 a word: OFF, ON, NO_LOCK, NO_LOCK_NO_ADMIN. */
function isOn(value: unknown): boolean {
  return !['0', 'OFF'].includes(String(value).toUpperCase());
}

/** @throws what a read-only server says to a user without the privilege to write there all the same */
export function requireWriter({ readOnly }: Pick<ServerFacts, 'readOnly'>): void {
  if (readOnly === undefined) return;
  throw Object.assign(new Error(`the server is read-only: ${readOnly} is ON`), {
    code: 'ER_OPTION_PREVENTS_STATEMENT',
    errno: 1290,
  });
}

/**
 * Asks a server that could be written to when the connection was opened whether it still can: right before a COMMIT, or before a
 * statement that is committed by itself. A demoted writer keeps its connections, and refuses nothing to users with SUPER or
 * READ ONLY ADMIN: what they commit there never reaches the new writer. One small SELECT; what is left is the time
 * between its answer and the COMMIT.
 *
 * @throws what such a server says to a user without these privileges
 */
export async function requireStillWriter(on: Pick<Statements, 'rows'>): Promise<void> {
  const [row] = await on.rows<ReadOnlySettings>(`SELECT ${READ_ONLY}`);
  if (!row) throw new Error('MySQL answered SELECT @@GLOBAL.read_only without a row');
  requireWriter({ readOnly: readOnlyBy(row) });
}

/** Statements that are committed one by one: each change asks first. */
export function askingFirst(on: Statements): Statements {
  return {
    packetBytes: on.packetBytes,
    rows: (sql, parameters) => on.rows(sql, parameters),
    change: async (sql, parameters) => {
      await requireStillWriter(on);
      return on.change(sql, parameters);
    },
  };
}
