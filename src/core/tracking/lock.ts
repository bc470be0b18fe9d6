import type { Database, SessionStatements, Statements } from './database.js';
import { sharesSessions } from './session.js';

/** How often a lock is given back where a proxy runs that on another connection than the lock's. */
const RELEASES = 20;

/**
 * Runs `work` while no other process does what has this name on this database (GET_LOCK); its statements run on the connection
 * that holds the lock, and without a transaction. In a Galera cluster such a lock holds on one node only, and Percona's has
 * none at all: `work` must be safe to run twice at once.
 *
 * @param waitSeconds how long others are waited for: below 60, the longest statement
 * @returns undefined where another one holds it all that time
 * @throws MigrateError `usage` where a proxy loses the lock
 */
export function withLock<T>(
  database: Database,
  name: string,
  waitSeconds: number,
  work: (on: SessionStatements) => Promise<T>,
): Promise<T | undefined> {
  return database.session(async (on) => {
    const taken = await take(on, name, waitSeconds);
    if (taken === 'of-another') return undefined;
    if (taken === 'no-locks-here') return work(on);
    let result: T;
    try {
      await requireHeld(on, name);
      result = await work(on);
    } catch (error) {
      // A connection that keeps the lock must not be anybody else's: marked as fatal, its error closes it.
      await release(on, name).catch(() => Object.assign(error as object, { fatal: true }));
      throw error;
    }
    await release(on, name).catch((error: unknown) => {
      throw Object.assign(error as Error, { fatal: true });
    });
    return result;
  });
}

/** Hashed, since MySQL allows 64 characters, which a database's name alone may have. */
const LOCK = `CONCAT('es-migrate ', ?, ' ', LEFT(SHA2(DATABASE(), 256), 40))`;

async function take(
  on: Statements,
  name: string,
  waitSeconds: number,
): Promise<'ours' | 'of-another' | 'no-locks-here'> {
  try {
    const sql = `SELECT GET_LOCK(${LOCK}, ?) AS held`;
    const [row] = await on.rows<{ held: number | null }>(sql, [name, waitSeconds]);
    return row?.held === 1 ? 'ours' : 'of-another';
  } catch (error) {
    const { errno = 0, message } = error as Error & { errno?: number };
    // Percona XtraDB Cluster under pxc_strict_mode=ENFORCING, its default, and versions of MariaDB with wsrep_on.
    if ([1105, 1235].includes(errno) && message.includes('GET_LOCK')) return 'no-locks-here';
    throw error;
  }
}

/** A proxy may have run GET_LOCK on one connection to the server, and run what follows on another. */
async function requireHeld(on: Statements, name: string): Promise<void> {
  const sql = `SELECT IS_USED_LOCK(${LOCK}) = CONNECTION_ID() AS ours`;
  const [row] = await on.rows<{ ours: number | null }>(sql, [name]);
  if (row?.ours !== 1) throw lost();
}

async function release(on: Statements, name: string): Promise<void> {
  for (let tries = 0; tries < RELEASES; tries += 1) {
    const sql = `SELECT RELEASE_LOCK(${LOCK}) AS released`;
    const [row] = await on.rows<{ released: number | null }>(sql, [name]);
    if (row?.released === 1) return;
  }
  throw lost();
}

const lost = () => sharesSessions('a lock taken by GET_LOCK is not held by the next statement');
