/** A setting at the value that troubles es-migrate most, and how it comes into a session. */
export interface WorstSession {
  /** Run by the administrator before, and after. */
  readonly global?: { readonly set: string; readonly undo: string };
  /** What `init_connect` does for every user without privileges. */
  readonly initConnect?: string;
  /** Variables that one of MySQL and MariaDB, or some versions of it, do not know. */
  readonly needs?: string;
}

interface Worst {
  readonly name: string;
  readonly value: string;
  /** False for what has no global value, or what only an administrator may set for a session. */
  readonly global?: boolean;
  readonly session?: boolean;
  /** Unknown to one of the servers. */
  readonly optional?: boolean;
}

const WORST: readonly Worst[] = [
  { name: 'sql_select_limit', value: '1' },
  { name: 'autocommit', value: '0' },
  { name: 'sql_safe_updates', value: '1', optional: true },
  { name: 'max_join_size', value: '1' },
  { name: 'sql_big_selects', value: '0' },
  { name: 'sql_auto_is_null', value: '1' },
  { name: 'completion_type', value: "'CHAIN'" },
  { name: 'completion_type', value: "'RELEASE'" },
  { name: 'sql_mode', value: "''" },
  {
    name: 'sql_mode',
    value:
      "'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,HIGH_NOT_PRECEDENCE,NO_UNSIGNED_SUBTRACTION,NO_AUTO_VALUE_ON_ZERO,IGNORE_SPACE,REAL_AS_FLOAT'",
  },
  { name: 'time_zone', value: "'-11:00'" },
  { name: 'timestamp', value: '1000000000', global: false },
  { name: 'character_set_client', value: 'latin1' },
  { name: 'character_set_results', value: 'latin1' },
  { name: 'character_set_connection', value: 'latin1' },
  { name: 'collation_connection', value: 'ucs2_general_ci' },
  { name: 'unique_checks', value: '0' },
  { name: 'foreign_key_checks', value: '0' },
  { name: 'sql_notes', value: '0' },
  { name: 'max_error_count', value: '0', session: false },
  { name: 'div_precision_increment', value: '0' },
  { name: 'max_sort_length', value: '64' },
  { name: 'sort_buffer_size', value: '32768' },
  { name: 'group_concat_max_len', value: '4' },
  { name: 'default_storage_engine', value: 'MyISAM' },
  { name: 'default_tmp_storage_engine', value: 'MyISAM' },
  { name: 'innodb_lock_wait_timeout', value: '1' },
  { name: 'lock_wait_timeout', value: '1' },
  { name: 'wait_timeout', value: '1' },
  { name: 'net_read_timeout', value: '1' },
  { name: 'net_write_timeout', value: '1' },
  { name: 'lc_messages', value: "'de_DE'" },
  { name: 'low_priority_updates', value: '1', session: false },
  { name: 'transaction_isolation', value: "'SERIALIZABLE'", optional: true },
  { name: 'transaction_read_only', value: '1', optional: true },
  { name: 'tx_isolation', value: "'SERIALIZABLE'", optional: true },
  { name: 'tx_read_only', value: '1', optional: true },
  { name: 'auto_increment_increment', value: '7' },
  { name: 'eq_range_index_dive_limit', value: '1' },
  { name: 'session_track_system_variables', value: "'*'" },
  { name: 'session_track_state_change', value: '1' },
  { name: 'innodb_strict_mode', value: '0', session: false },
  // MySQL.
  { name: 'max_execution_time', value: '1', optional: true },
  { name: 'parser_max_mem_size', value: '10000000', optional: true },
  { name: 'range_optimizer_max_mem_size', value: '1', optional: true },
  { name: 'use_secondary_engine', value: 'FORCED', global: false, optional: true },
  { name: 'session_track_gtids', value: 'ALL_GTIDS', optional: true },
  { name: 'sql_require_primary_key', value: '1', session: false, optional: true },
  { name: 'default_collation_for_utf8mb4', value: 'utf8mb4_general_ci', optional: true },
  { name: 'explicit_defaults_for_timestamp', value: '0', optional: true },
  // MariaDB.
  { name: 'max_statement_time', value: '0.001', optional: true },
  { name: 'idle_transaction_timeout', value: '1', optional: true },
  { name: 'idle_write_transaction_timeout', value: '1', optional: true },
  { name: 'idle_readonly_transaction_timeout', value: '1', optional: true },
  { name: 'max_session_mem_used', value: '8192', global: false, optional: true },
  { name: 'tmp_disk_table_size', value: '1024', optional: true },
  { name: 'old_mode', value: "'NO_DUP_KEY_WARNINGS_WITH_IGNORE,IGNORE_INDEX_ONLY_FOR_JOIN'", optional: true },
  { name: 'query_cache_type', value: 'DEMAND', session: false, optional: true },
  { name: 'innodb_snapshot_isolation', value: '1', optional: true },
  { name: 'alter_algorithm', value: "'INSTANT'", optional: true },
  { name: 'sql_if_exists', value: '1', optional: true },
  { name: 'skip_replication', value: '1', global: false, optional: true },
  { name: 'check_constraint_checks', value: '0', optional: true },
  { name: 'in_predicate_conversion_threshold', value: '2', optional: true },
  { name: 'system_versioning_alter_history', value: 'KEEP', optional: true },
  { name: 'innodb_default_row_format', value: 'compact', session: false },
]; // prettier-ignore

/** What is no variable. */
const STATEMENTS: Readonly<Record<string, string>> = {
  'another database': 'USE information_schema',
  'an open transaction': 'START TRANSACTION',
  'an open transaction that began with autocommit off': 'SET autocommit = 0; SELECT 1',
};

/** Each setting, by the server's global value and by `init_connect`. */
export const WORST_SESSIONS: readonly (readonly [title: string, worst: WorstSession])[] = [
  ...WORST.flatMap(({ name, value, global = true, session = true, optional = false }) => {
    const needs = optional ? { needs: name } : {};
    const cases: [string, WorstSession][] = [];
    if (global)
      cases.push([
        `${name} = ${value}, global`,
        {
          ...needs,
          global: {
            set: `SET @before = @@GLOBAL.${name}; SET GLOBAL ${name} = ${value}`,
            undo: `SET GLOBAL ${name} = @before`,
          },
        },
      ]);
    if (session)
      cases.push([
        `${name} = ${value}, init_connect`,
        { ...needs, initConnect: `SET SESSION ${name} = ${value}` },
      ]);
    return cases;
  }),
  ...Object.entries(STATEMENTS).map(([title, initConnect]): [string, WorstSession] => [
    title,
    { initConnect },
  ]),
];
