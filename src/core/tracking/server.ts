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
  const [row] = await on.rows<{
    version: string;
    readOnly: unknown;
    innodbReadOnly: unknown;
    id: number;
  }>(
    `SELECT VERSION() AS version, @@GLOBAL.read_only AS readOnly,
            @@GLOBAL.innodb_read_only AS innodbReadOnly, CONNECTION_ID() & 4294967295 AS id`,
  );
  if (!row) throw new Error('MySQL answered SELECT VERSION() without a row');
  return {
    product: /mariadb/i.test(row.version) ? 'MariaDB' : 'MySQL',
    readOnly: isOn(row.readOnly)
      ? 'read_only'
      : isOn(row.innodbReadOnly)
        ? 'innodb_read_only'
        : undefined,
    isProxied: row.id !== greetedAs,
  };
}

/** A number, or since MariaDB 12 a word: OFF, ON, NO_LOCK, NO_LOCK_NO_ADMIN. */
function isOn(value: unknown): boolean {
  return !['0', 'OFF'].includes(String(value).toUpperCase());
}

/** @throws what a read-only server says to a user without the privilege to write there all the same */
export function requireWriter({ readOnly }: ServerFacts): void {
  if (readOnly === undefined) return;
  throw Object.assign(new Error(`the server is read-only: ${readOnly} is ON`), {
    code: 'ER_OPTION_PREVENTS_STATEMENT',
    errno: 1290,
  });
}
