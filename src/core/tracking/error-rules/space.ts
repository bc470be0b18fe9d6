import type { ErrorRule } from './rule.js';

const SPACE = 'Free space at the MySQL server, then run the same command again.';

/** Numbers that stand for a full disk, and for other things where the message says nothing of it: before all others. */
export const SPACE_RULES: readonly ErrorRule[] = [
  {
    class: 'no-space',
    numbers: [
      1, 3, 20, 35, 135, 136, 189, 204, 1004, 1005, 1021, 1026, 1030, 1114, 1180, 1530, 1534, 1811,
      1878, 3019, 3675,
    ],
    when: /\bis full\b|disk full|no space left|no more space|quota exceeded|\b(error|errno):? (28|122|135|136|204)\b|undo log/i,
    what: 'a disk, tablespace or quota of the server is full',
    advice: SPACE,
  },
];
