import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { usage } from '../errors.js';
import { Fault } from '../fault.js';
import { packageRoot } from '../package-root.js';
import type { Database, Statements } from './database.js';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

export interface MigrationOutcome {
  /** Names of the migrations applied just now, in order. */
  readonly applied: readonly string[];
  /** The schema's version afterwards. */
  readonly version: number;
}

interface BegunMigration {
  readonly version: number;
  readonly finished: boolean;
}

const LOCK = 'es-migrate schema';
const LOCK_WAIT_SECONDS = 60;

/**
 * Brings the schema to this binary's version, one process at a time (GET_LOCK); does nothing where it is there.
 *
 * @throws MigrateError `usage` where the schema is newer than this binary, or tables of our names belong to
 *   somebody else, or a privilege is missing
 */
export async function migrateSchema(database: Database): Promise<MigrationOutcome> {
  const migrations = await readMigrations();
  const newest = migrations.at(-1)?.version ?? 0;
  const before = finishedVersion(await begunVersions(database));
  refuseNewer(before, newest);
  if (before === newest) return { applied: [], version: before };
  return database.session(async (on) => {
    await lock(on);
    try {
      return await apply(on, migrations);
    } finally {
      await on.rows('SELECT RELEASE_LOCK(CONCAT(?, DATABASE()))', [LOCK]);
    }
  });
}

/** migrations/NNNN_name.sql, in order. Statements end with `;` at the end of a line. */
export async function readMigrations(
  folder = join(packageRoot(), 'migrations'),
): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => ({
      version: Number(name.slice(0, 4)),
      name: name.replace(/\.sql$/, ''),
      statements: splitStatements(await readFile(join(folder, name), 'utf8')),
    })),
  );
}

function splitStatements(sql: string): string[] {
  return sql
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

async function apply(on: Statements, migrations: readonly Migration[]): Promise<MigrationOutcome> {
  const begun = await begunVersions(on);
  refuseNewer(finishedVersion(begun), migrations.at(-1)?.version ?? 0);
  if (begun.length === 0) await refuseForeignTables(on);
  await on.change(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
       version INT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at DATETIME(3) NULL)`,
  );
  const applied: string[] = [];
  for (const { version, name, statements } of migrations) {
    if (begun.some((row) => row.version === version && row.finished)) continue;
    await on.change('INSERT IGNORE INTO schema_migrations (version, name) VALUES (?, ?)', [
      version,
      name,
    ]);
    for (const statement of statements) await on.change(statement);
    await on.change(
      'UPDATE schema_migrations SET applied_at = CURRENT_TIMESTAMP(3) WHERE version = ?',
      [version],
    );
    applied.push(name);
  }
  return { applied, version: migrations.at(-1)?.version ?? 0 };
}

async function lock(on: Statements): Promise<void> {
  const [row] = await on.rows<{ locked: number | null }>(
    'SELECT GET_LOCK(CONCAT(?, DATABASE()), ?) AS locked',
    [LOCK, LOCK_WAIT_SECONDS],
  );
  if (row?.locked !== 1)
    throw new Fault(
      'MySQL',
      'retriable',
      'locked',
      'MySQL: another process is migrating the schema',
    );
}

/** The version of the last migration that finished; 0 where there is none. */
function finishedVersion(begun: readonly BegunMigration[]): number {
  return Math.max(0, ...begun.filter(({ finished }) => finished).map(({ version }) => version));
}

async function begunVersions(on: Statements): Promise<BegunMigration[]> {
  const tables = await on.rows(
    `SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'schema_migrations'`,
  );
  if (tables.length === 0) return [];
  const rows = await on.rows<{ version: number; finished: number }>(
    'SELECT version, applied_at IS NOT NULL AS finished FROM schema_migrations ORDER BY version',
  );
  return rows.map(({ version, finished }) => ({ version, finished: finished === 1 }));
}

async function refuseForeignTables(on: Statements): Promise<void> {
  const [row] = await on.rows<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()
       AND table_name IN ('job_runs', 'message_tracking', 'batch_progress', 'message_errors')`,
  );
  if (row) {
    throw usage(
      `the tracking database already has a table ${row.name} that es-migrate did not make`,
      'Give es-migrate a database of its own in tracking.url.',
    );
  }
}

function refuseNewer(version: number, newest: number): void {
  if (version > newest) {
    throw usage(
      `the tracking database has schema version ${version}, this es-migrate knows ${newest}`,
      'Install the newer es-migrate that migrated it.',
    );
  }
}
