/** What troubles es-migrate most, by what it changes: three sessions as init_connect may make them. */
export const WORST_KILL_SESSIONS: Readonly<Record<string, string>> = {
  'few rows, nothing committed':
    'SET SESSION sql_select_limit = 3, autocommit = 0, sql_safe_updates = 1, max_join_size = 1, sql_big_selects = 0',
  'another meaning, text and time':
    "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,NO_UNSIGNED_SUBTRACTION', time_zone = '-11:00', timestamp = 1000000000, collation_connection = ucs2_general_ci, character_set_results = latin1; USE information_schema",
  'no time, an open transaction':
    "SET SESSION max_statement_time = 0.001, idle_transaction_timeout = 1, wait_timeout = 1, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, tx_isolation = 'SERIALIZABLE', tx_read_only = 1, completion_type = 'RELEASE'; START TRANSACTION",
};
