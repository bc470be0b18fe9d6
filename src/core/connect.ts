import type { Source } from './elasticsearch/source.js';
import type { Target } from './objects/target.js';
import type { RetryPolicy } from './retry.js';
import type { Run } from './run.js';
import type { Settings } from './settings.js';
import { Database } from './tracking/database.js';
import { migrateSchema, type MigrationOutcome } from './tracking/schema.js';

/** How long renewing or giving back a lease is retried, in milliseconds. */
const LEASE_PATIENCE_MS = 5_000;

/** The outside worlds of a run, connected. */
export interface Connections {
  readonly settings: Settings;
  readonly database: Database;
  /**
   * A connection of its own for renewing and giving back leases: busy statements must not make one run out, and a
   * run that ends because MySQL is down must not wait for it once more.
   */
  readonly leases: Database;
  /** @throws Error where `connect` was not asked for it */
  readonly source: Source;
  /** @throws Error where `connect` was not asked for it */
  readonly target: Target;
  close(): Promise<void>;
}

/**
 * Connects to MySQL, brings its schema up to date, and opens what else is wanted. Elasticsearch and the
 * target are not asked anything yet.
 *
 * @throws MigrateError `usage` (credentials, privileges, a newer schema), `unavailable`
 */
export async function connect(
  settings: Settings,
  wants: { source?: boolean; target?: boolean },
  run: Run,
): Promise<Connections> {
  const policy: RetryPolicy = { retryForMs: settings.retryForMs, report: run.report };
  const database = new Database(settings.tracking, policy, Math.min(settings.concurrency, 8) + 2);
  const leases = new Database(settings.tracking, { ...policy, retryForMs: LEASE_PATIENCE_MS }, 1);
  let source: Source | undefined;
  let target: Target | undefined;
  const close = async () => {
    await Promise.all([database.close(), leases.close(), source?.close(), target?.close()]);
  };
  try {
    const { applied } = await migrateSchema(database);
    if (applied.length > 0) logApplied(run, applied);
    if (wants.source) {
      const { openSource } = await import('./elasticsearch/source.js');
      source = openSource(settings.source, settings.limits, policy);
    }
    if (wants.target && settings.target) {
      const { openTarget } = await import('./objects/open-target.js');
      target = await openTarget(settings.target);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    settings,
    database,
    leases,
    get source() {
      return wanted(source, 'source');
    },
    get target() {
      return wanted(target, 'target');
    },
    close,
  };
}

/** Applies migrations/ and nothing else. */
export async function migrateDatabase(settings: Settings, run: Run): Promise<MigrationOutcome> {
  const database = new Database(
    settings.tracking,
    { retryForMs: settings.retryForMs, report: run.report },
    1,
  );
  try {
    return await migrateSchema(database);
  } finally {
    await database.close();
  }
}

function logApplied(run: Run, applied: readonly string[]): void {
  run.report({
    type: 'log',
    level: 'info',
    message: `tracking database: applied ${applied.join(', ')}`,
  });
}

function wanted<T>(connection: T | undefined, name: string): T {
  if (connection === undefined) throw new Error(`connect was not asked for the ${name}`);
  return connection;
}
