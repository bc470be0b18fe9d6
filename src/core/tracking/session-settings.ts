/** A session variable of MySQL or MariaDB and the value our statements rely on. */
export interface SessionSetting {
  readonly name: string;
  /** As `SET` takes it; without quotes, as `SHOW VARIABLES` prints it. What is set to DEFAULT is not read back. */
  readonly value: string;
  /** Another value that does as well. */
  readonly or?: string;
  /** Matters only where this one is ON. */
  readonly where?: string;
}

/** No mode that changes how SQL is read (ANSI_QUOTES, NO_BACKSLASH_ESCAPES, ORACLE, …); strict, so that nothing is cut to fit. */
const SQL_MODE = [
  'STRICT_ALL_TABLES',
  'NO_ENGINE_SUBSTITUTION',
  'ERROR_FOR_DIVISION_BY_ZERO',
  'ONLY_FULL_GROUP_BY',
].join();

const NO_LIMIT = '18446744073709551615';

/**
 * What both servers know, since MySQL 8.0 and MariaDB 10.6, and every user may set. Why each matters, and why the others
 * do not, stands in docs/MYSQL-SESSION.md.
 */
export const COMMON_SETTINGS: readonly SessionSetting[] = [
  // First: COMMIT and ROLLBACK would begin another transaction, or close the connection.
  { name: 'completion_type', value: "'NO_CHAIN'" },
  { name: 'autocommit', value: 'ON' },
  { name: 'sql_mode', value: `'${SQL_MODE}'` },
  { name: 'time_zone', value: "'+00:00'" },
  // A clock that stands still would keep leases for ever. Where a server forbids it, it forbids it to init_connect, too.
  { name: 'timestamp', value: 'DEFAULT' },
  { name: 'lc_messages', value: "'en_US'" },
  { name: 'character_set_client', value: 'utf8mb4' },
  { name: 'character_set_results', value: 'utf8mb4' },
  { name: 'collation_connection', value: 'utf8mb4_bin' },
  { name: 'sql_select_limit', value: NO_LIMIT },
  // In this order: a limit on joins switches large SELECTs off.
  { name: 'max_join_size', value: NO_LIMIT },
  { name: 'sql_big_selects', value: 'ON' },
  { name: 'sql_safe_updates', value: 'OFF' },
  { name: 'sql_auto_is_null', value: 'OFF' },
  { name: 'unique_checks', value: 'ON' },
  { name: 'foreign_key_checks', value: 'ON' },
  { name: 'sql_notes', value: 'ON' },
  { name: 'div_precision_increment', value: '4' },
  { name: 'max_sort_length', value: '1024' },
  { name: 'sort_buffer_size', value: '2097152' },
  { name: 'default_storage_engine', value: 'InnoDB' },
  // Both below the longest wait for a statement (database.ts): the server gives up first, and says so.
  { name: 'innodb_lock_wait_timeout', value: '20' },
  { name: 'lock_wait_timeout', value: '50' },
  // Long enough for connections that idle between heartbeats; the locks of a host that lost its power end with it.
  { name: 'wait_timeout', value: '600' },
  { name: 'net_read_timeout', value: '60' },
  { name: 'net_write_timeout', value: '60' },
];

/** What some versions of one of the servers know: set where it is there and has another value. */
export const OPTIONAL_SETTINGS: readonly SessionSetting[] = [
  // MySQL.
  { name: 'max_execution_time', value: '0' },
  { name: 'range_optimizer_max_mem_size', value: '8388608' },
  // ON by default, and of no effect unless somebody gives our tables a secondary engine; FORCED refuses every SELECT.
  { name: 'use_secondary_engine', value: 'OFF', or: 'ON' },
  // MariaDB.
  { name: 'max_statement_time', value: '0' },
  { name: 'idle_transaction_timeout', value: '0' },
  { name: 'idle_write_transaction_timeout', value: '0' },
  { name: 'idle_readonly_transaction_timeout', value: '0' },
  { name: 'max_session_mem_used', value: '9223372036854775807' },
  { name: 'tmp_disk_table_size', value: NO_LIMIT },
  { name: 'query_cache_type', value: 'OFF' },
  { name: 'innodb_snapshot_isolation', value: 'OFF' },
  { name: 'alter_algorithm', value: "'DEFAULT'" },
  { name: 'sql_if_exists', value: 'OFF' },
  { name: 'skip_replication', value: 'OFF' },
  // Nodes of a Galera cluster: a statement sees what was committed on any of them before.
  { name: 'wsrep_sync_wait', value: '7', where: 'wsrep_on' },
  { name: 'wsrep_dirty_reads', value: 'OFF', where: 'wsrep_on' },
];

/** Set by statements of their own, or nothing a user may set: compared only. */
export const CHECKED_SETTINGS: readonly SessionSetting[] = [
  // Each under the name that the version has.
  { name: 'transaction_isolation', value: 'READ-COMMITTED' },
  { name: 'tx_isolation', value: 'READ-COMMITTED' },
  { name: 'transaction_read_only', value: 'OFF' },
  { name: 'tx_read_only', value: 'OFF' },
  { name: 'character_set_connection', value: 'utf8mb4' },
  // The number of the next inserted row, on MySQL even where it is 0: it cannot be taken back.
  { name: 'insert_id', value: '0' },
  // MySQL: forbids CREATE TABLE, and only an administrator may take it back.
  { name: 'require_row_format', value: 'OFF' },
];
