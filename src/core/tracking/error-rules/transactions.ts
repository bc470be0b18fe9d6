import type { ErrorRule } from './rule.js';

const CONNECTIONS =
  'Raise max_connections or max_user_connections at the MySQL server, or lower concurrency and --processes.';
const MEMORY = 'Give the MySQL server more memory, or lower concurrency and --processes.';

/** Another try may succeed, on the same connection. */
export const TRANSACTION_RULES: readonly ErrorRule[] = [
  {
    class: 'wait',
    numbers: [149, 1213, 1614, 3058, 3101, 3197],
    what: 'a deadlock, or a transaction that Galera or Group Replication rolled back at COMMIT because another node changed the same rows',
  },
  {
    class: 'wait',
    numbers: [146, 203, 1205, 1613, 1689, 3177, 3572],
    what: 'another transaction keeps rows or a table locked',
    advice: 'Find who holds the lock (information_schema.innodb_trx, SHOW PROCESSLIST) and end it.',
  },
  {
    class: 'wait',
    numbers: [1180, 1181, 1402],
    what: 'COMMIT failed; the transaction was rolled back',
    advice:
      'Look at the error log of the MySQL server. In a cluster see wsrep_max_ws_size or group_replication_transaction_size_limit, and lower batchSize.',
  },
  {
    class: 'wait',
    numbers: [1964],
    on: 'MariaDB',
    what: 'COMMIT failed with that of another transaction',
  },
  {
    class: 'wait',
    numbers: [123, 125, 159, 202, 1020, 1412, 1615],
    what: 'rows or a table definition changed under the transaction',
  },
  {
    class: 'wait',
    numbers: [196, 1028, 1317],
    what: 'the statement was interrupted (KILL QUERY)',
  },
  {
    class: 'wait',
    numbers: [3024],
    what: 'the statement ran into max_execution_time',
    advice: 'Raise max_execution_time at the MySQL server, or set it to 0.',
  },
  {
    class: 'wait',
    numbers: [1969],
    on: 'MariaDB',
    what: 'the statement ran into max_statement_time',
    advice: 'Raise max_statement_time at the MariaDB server, or set it to 0.',
  },
  {
    class: 'wait',
    numbers: [1040, 1203, 1226],
    what: 'too many connections, of all or of this user, or a limit per hour',
    advice: CONNECTIONS,
  },
  {
    class: 'wait',
    numbers: [5, 23, 128, 177, 194, 1037, 1041, 1135, 1637, 3015, 3044, 3950, 3985],
    what: 'the server is out of memory, threads, files or transaction slots for the moment',
    advice: MEMORY,
  },
  {
    class: 'wait',
    numbers: [1042, 1297, 3633],
    what: 'the server says that it is temporary (name lookup, engine, cloning)',
  },
];
