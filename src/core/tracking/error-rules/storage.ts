import type { ErrorRule } from './rule.js';

const SPACE = 'Free space at the MySQL server, then run the same command again.';
const OWN_TABLES =
  'Remove what was added to the tables of es-migrate (triggers, foreign keys, constraints): nothing else may change or check them.';
const DAMAGED =
  "Look at the MySQL server's error log. Repair or restore the table there, then run the same command again.";

/** Disks, files and the tables themselves. */
export const STORAGE_RULES: readonly ErrorRule[] = [
  {
    class: 'no-space',
    numbers: [20, 35, 135, 136, 204, 1021, 1114, 1530, 3019, 3675],
    what: 'a disk, a tablespace or an in-memory table of the server is full',
    advice: SPACE,
  },
  {
    class: 'no-space',
    numbers: [4139],
    on: 'MariaDB',
    what: 'an index file is full',
    advice: SPACE,
  },
  {
    class: 'refused',
    numbers: [155, 1051, 1146, 197, 1812, 1813, 1814, 184],
    what: 'a table of es-migrate, or its file, is missing or in the way',
    advice:
      'Restore the tracking database from its backup. If it held nothing yet, drop it, create it empty and run es-migrate db migrate.',
  },
  {
    class: 'refused',
    numbers: [1932],
    on: 'MariaDB',
    what: 'a table has lost its file',
    advice: DAMAGED,
  },
  {
    class: 'refused',
    numbers: [
      126, 127, 144, 145, 175, 176, 180, 195, 1017, 1033, 1034, 1035, 1194, 1195, 1707, 1712, 1817,
      1877, 1459, 1547, 1558, 1805, 3000, 3009,
    ],
    what: 'a table or index is damaged or of an old format',
    advice: DAMAGED,
  },
  {
    class: 'refused',
    numbers: [
      1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 15, 27, 29, 33, 122, 168, 174, 189, 1004, 1005, 1012,
      1013, 1014, 1015, 1016, 1018, 1019, 1023, 1024, 1025, 1026, 1030, 1039, 1105, 1810, 1811,
      1815, 1878, 1296, 1598, 1534, 166, 167, 205, 1467, 1593, 3884,
    ],
    what: "the server failed inside: files, storage engine, binary log. It doesn't say more to its clients",
    advice:
      "Look at the MySQL server's error log: what failed there stands in it. Then run the same command again.",
  },
  {
    class: 'refused',
    numbers: [151, 152, 1216, 1217, 1451, 1452, 1644, 1442, 1449, 3819],
    what: 'a trigger, a foreign key or a constraint refused the change: es-migrate has none of them',
    advice: OWN_TABLES,
  },
  {
    class: 'refused',
    numbers: [4025],
    on: 'MariaDB',
    what: 'a constraint refused the change: es-migrate has none',
    advice: OWN_TABLES,
  },
];
