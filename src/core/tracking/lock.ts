import type { Database, Statements } from './database.js';

/**
 * Runs `work` while no other process does what has this name on this database (GET_LOCK); its statements run on the connection
 * that holds the lock, and without a transaction.
 *
 * @param waitSeconds how long others are waited for: below 60, the longest statement
 * @returns undefined where another one holds it all that time
 */
export function withLock<T>(
  database: Database,
  name: string,
  waitSeconds: number,
  work: (on: Statements) => Promise<T>,
): Promise<T | undefined> {
  // Hashed, since MySQL allows 64 characters, which a database's name alone may have.
  const lock = `CONCAT('es-migrate ', ?, ' ', LEFT(SHA2(DATABASE(), 256), 40))`;
  return database.session(async (on) => {
    const [row] = await on.rows<{ held: number | null }>(`SELECT GET_LOCK(${lock}, ?) AS held`, [
      name,
      waitSeconds,
    ]);
    if (row?.held !== 1) return undefined;
    // A connection that keeps the lock must not be anybody else's: marked as fatal, its error closes it.
    const release = (or: (error: Error) => void) =>
      on.rows(`SELECT RELEASE_LOCK(${lock})`, [name]).catch(or);
    let result: T;
    try {
      result = await work(on);
    } catch (error) {
      await release(() => Object.assign(error as object, { fatal: true }));
      throw error;
    }
    await release((error) => {
      throw Object.assign(error, { fatal: true });
    });
    return result;
  });
}
