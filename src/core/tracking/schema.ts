import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MigrateError, usage } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type { Report } from '../run.js';
import { alter, withShortLockWaits } from './alter.js';
import type { Database, SessionStatements, Statements } from './database.js';
import { withLock } from './lock.js';

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

/** Shorter than a statement may take (database.ts). */
const LOCK_WAIT_SECONDS = 30;

/**
 * Brings the schema to this binary's version, one process at a time (GET_LOCK); does nothing where it is there.
 *
 * @param report told of statements that take long
 *
 * @throws MigrateError `usage` where the schema is newer than this binary, or tables of our names belong to
 *   somebody else, or a privilege is missing
 */
export async function migrateSchema(
  database: Database,
  report: Report = () => undefined,
): Promise<MigrationOutcome> {
  const migrations = await readMigrations();
  const newest = migrations.at(-1)?.version ?? 0;
  const begun = await begunVersions(database);
  refuseNewer(begun, newest);
  if (finishedVersion(begun) === newest) return { applied: [], version: newest };
  const outcome = await withLock(database, 'schema', LOCK_WAIT_SECONDS, (on) =>
    withShortLockWaits(on, () => apply(on, migrations, report)),
  );
  if (outcome) return outcome;
  throw new MigrateError(
    'busy',
    'another process has been migrating the schema for half a minute',
    {
      advice: 'Run the same command again once es-migrate db migrate has ended.',
    },
  );
}

/**
 * The schema's version as it is, 0 where there is none; nothing is changed.
 *
 * @throws MigrateError `usage` where it is newer than this binary
 */
export async function schemaVersion(database: Database): Promise<number> {
  const begun = await begunVersions(database);
  refuseNewer(begun, (await readMigrations()).at(-1)?.version ?? 0);
  return finishedVersion(begun);
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

async function apply(
  on: SessionStatements,
  migrations: readonly Migration[],
  report: Report,
): Promise<MigrationOutcome> {
  const begun = await begunVersions(on);
  refuseNewer(begun, migrations.at(-1)?.version ?? 0);
  if (begun.length === 0) await refuseForeignTables(on, migrations);
  await on.change(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
       version INT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at DATETIME(3) NULL
     ) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
  );
  const applied: string[] = [];
  for (const { version, name, statements } of migrations) {
    if (begun.some((row) => row.version === version && row.finished)) continue;
    await on.change(
      `INSERT INTO schema_migrations (version, name) VALUES (?, ?)
       ON DUPLICATE KEY UPDATE name = schema_migrations.name`,
      [version, name],
    );
    for (const statement of statements) await alter(on, statement, report).catch(unlessThere);
    await on.change(
      'UPDATE schema_migrations SET applied_at = CURRENT_TIMESTAMP(3) WHERE version = ?',
      [version],
    );
    applied.push(name);
  }
  return { applied, version: migrations.at(-1)?.version ?? 0 };
}

/** MySQL has no ADD COLUMN IF NOT EXISTS: 1060 is a column, 1061 a key, that an interrupted run had added. */
function unlessThere(error: unknown): void {
  const { errno } = error as { errno?: number };
  if (errno !== 1060 && errno !== 1061) throw error;
}

/** The version of the last migration that finished; 0 where there is none. */
function finishedVersion(begun: readonly BegunMigration[]): number {
  return Math.max(0, ...begun.filter(({ finished }) => finished).map(({ version }) => version));
}

async function begunVersions(on: Statements): Promise<BegunMigration[]> {
  const columns = await on.rows<{ name: string }>(
    `SELECT LOWER(column_name) AS name FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = 'schema_migrations'`,
  );
  if (columns.length === 0) return [];
  // Other tools have a table of this name, too.
  if (!columns.some(({ name }) => name === 'applied_at')) throw foreignTable('schema_migrations');
  const rows = await on.rows<{ version: number; finished: number }>(
    'SELECT version, applied_at IS NOT NULL AS finished FROM schema_migrations ORDER BY version',
  );
  return rows.map(({ version, finished }) => ({ version, finished: finished === 1 }));
}

/** CREATE TABLE IF NOT EXISTS would take somebody else's table for ours. */
async function refuseForeignTables(
  on: Statements,
  migrations: readonly Migration[],
): Promise<void> {
  const ours = migrations
    .flatMap(({ statements }) => statements)
    .map((statement) => /^CREATE TABLE IF NOT EXISTS (\w+)/.exec(statement)?.[1])
    .filter((name) => name !== undefined);
  const [row] = await on.rows<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = DATABASE() AND table_name IN (?) ORDER BY table_name LIMIT 1`,
    [ours],
  );
  if (row) throw foreignTable(row.name);
}

function foreignTable(name: string): MigrateError {
  return usage(
    `the tracking database already has a table ${name} that es-migrate did not make`,
    'Give es-migrate a database of its own in tracking.url.',
  );
}

/** Also where the newer migration was only begun: its tables may be half changed. */
function refuseNewer(begun: readonly BegunMigration[], newest: number): void {
  const version = Math.max(0, ...begun.map((row) => row.version));
  if (version > newest) {
    throw usage(
      `the tracking database has schema version ${version}, this es-migrate knows ${newest}`,
      'Install the newer es-migrate that migrated it.',
    );
  }
}
