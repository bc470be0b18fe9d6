import type { ErrorRule } from './rule.js';

const PACKET =
  'Raise max_allowed_packet at the MySQL server (SET GLOBAL max_allowed_packet = 67108864).';
const UNSUPPORTED =
  'Use MySQL 8.0 or newer, or MariaDB 10.6 or newer, with InnoDB; servers that only speak its protocol may lack what es-migrate needs.';

/** A setting of the server forbids it, or is too small for it. */
export const SETTING_RULES: readonly ErrorRule[] = [
  {
    class: 'refused',
    numbers: [1153, 1162, 1301, 3068],
    what: 'a statement or an answer is larger than max_allowed_packet',
    advice: PACKET,
  },
  {
    class: 'refused',
    numbers: [4075],
    on: 'MariaDB',
    what: 'an answer is larger than max_allowed_packet',
    advice: PACKET,
  },
  {
    class: 'refused',
    numbers: [139, 179, 1071, 1118, 1709],
    what: 'a key or row is too long for the pages of InnoDB',
    advice:
      'Set innodb_page_size to 16k or more (it is chosen when the server is set up) and innodb_default_row_format to DYNAMIC.',
  },
  {
    class: 'refused',
    numbers: [1036, 165],
    what: 'a table is read-only',
    advice:
      'See who owns the files in the data directory and innodb_force_recovery at the MySQL server.',
  },
  {
    class: 'refused',
    numbers: [190, 1881],
    what: 'innodb_force_recovery is set',
    advice: 'Start the server without innodb_force_recovery.',
  },
  {
    class: 'refused',
    numbers: [3989],
    what: 'the database is in read-only mode',
    advice: 'Run ALTER DATABASE … READ ONLY = 0 on the tracking database.',
  },
  {
    class: 'refused',
    numbers: [1206],
    what: 'too many row locks for the buffer pool',
    advice: 'Raise innodb_buffer_pool_size at the MySQL server.',
  },
  {
    class: 'refused',
    numbers: [1038, 1119, 1436, 3170, 3186, 34],
    what: 'a memory limit of the session is too small',
    advice:
      'Raise sort_buffer_size, thread_stack or parser_max_mem_size at the MySQL server, whichever the message names.',
  },
  {
    class: 'refused',
    numbers: [4081, 4082],
    on: 'MySQL',
    what: 'the connection took more memory than connection_memory_limit allows',
    advice: 'Raise connection_memory_limit or global_connection_memory_limit at the MySQL server.',
  },
  {
    class: 'refused',
    numbers: [1197, 1705],
    what: 'the transaction is larger than the cache of the binary log',
    advice:
      'Raise max_binlog_cache_size and max_binlog_stmt_cache_size at the MySQL server, or lower batchSize.',
  },
  {
    class: 'refused',
    numbers: [3231],
    what: 'the transaction is larger than Group Replication takes',
    advice: 'Raise group_replication_transaction_size_limit, or lower batchSize.',
  },
  {
    class: 'refused',
    numbers: [1799],
    what: 'an ALTER TABLE met more changes than innodb_online_alter_log_max_size holds',
    advice:
      'Raise innodb_online_alter_log_max_size, or run es-migrate db migrate while nothing else works on the tables.',
  },
  {
    class: 'refused',
    numbers: [1104],
    what: 'a SELECT reads more rows than max_join_size allows',
    advice: 'Set sql_big_selects to ON, or raise max_join_size.',
  },
  {
    class: 'refused',
    numbers: [6110],
    what: 'an answer has more rows or bytes than the server allows',
    advice: 'Raise the limit on result sizes at the MySQL server.',
  },
  {
    class: 'refused',
    numbers: [1175],
    what: 'sql_safe_updates forbids the statement',
    advice: 'Set sql_safe_updates to OFF for this user.',
  },
  {
    class: 'refused',
    numbers: [1461, 6411],
    what: 'too many prepared statements (max_prepared_stmt_count)',
    advice: 'Raise max_prepared_stmt_count at the MySQL server.',
  },
  {
    class: 'refused',
    numbers: [1031, 1266, 1286, 1289, 1478, 3003, 3161, 3167],
    what: 'InnoDB, or an option of it, is not available or not allowed',
    advice:
      'Enable InnoDB (disabled_storage_engines, enforce_storage_engine), or set what the message names.',
  },
  {
    class: 'refused',
    numbers: [4182],
    on: 'MariaDB',
    what: 'a storage engine is disabled',
    advice: 'Enable InnoDB at the MariaDB server.',
  },
  {
    class: 'refused',
    numbers: [3184, 3185, 3825, 3826, 3827],
    what: 'tables have to be encrypted, and the server cannot, or the user may not choose',
    advice:
      "Set the database's DEFAULT ENCRYPTION to what table_encryption_privilege_check wants, and load a keyring.",
  },
  {
    class: 'refused',
    numbers: [1173, 3098, 3750, 4155],
    what: 'the server wants a primary key or InnoDB for every table (sql_require_primary_key, Group Replication)',
    advice:
      'Let es-migrate make its own tables in a database of its own: each has a primary key and is InnoDB.',
  },
  {
    class: 'refused',
    numbers: [3796, 3799],
    what: 'group_replication_consistency forbids the statement',
    advice: 'Set group_replication_consistency to EVENTUAL or BEFORE_ON_PRIMARY_FAILOVER.',
  },
  {
    class: 'refused',
    numbers: [1785, 1786, 1787, 3748],
    what: 'enforce_gtid_consistency forbids the statement',
    advice: 'See which of the tables of es-migrate is not InnoDB: ALTER TABLE … ENGINE=InnoDB.',
  },
  {
    class: 'refused',
    numbers: [1661, 1662, 1663, 1664, 1665, 1666, 1667],
    what: 'binlog_format does not fit the isolation level or the engine',
    advice: 'Set binlog_format to ROW or MIXED at the server.',
  },
  {
    class: 'refused',
    numbers: [4165],
    on: 'MariaDB',
    what: 'Galera does not replicate the table',
    advice: 'See wsrep_mode at the node.',
  },
  {
    class: 'refused',
    numbers: [1845, 1846, 1847, 1850, 1854, 4083, 4092, 4093, 4157, 4158],
    what: 'ALTER TABLE is not allowed in the way that alter_algorithm or the engine demands',
    advice: 'Set alter_algorithm to DEFAULT at the server, then run es-migrate db migrate again.',
  },
  {
    class: 'refused',
    numbers: [1193, 1231, 1232, 1238, 1298, 1621, 3899],
    what: 'the server does not know a session variable, or refuses its value',
    advice: UNSUPPORTED,
  },
  {
    class: 'refused',
    numbers: [1148, 1235, 3110, 3130, 3658],
    what: 'the server does not support the statement',
    advice: UNSUPPORTED,
  },
];
