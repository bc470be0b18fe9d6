import { format, resolveConfig } from 'prettier';
import { DRIVER_RULES, ERROR_RULES } from '../../../src/core/tracking/error-rules/index.js';
import type { ErrorClass, ErrorRule } from '../../../src/core/tracking/error-rules/rule.js';
import { FAMILIES, type Family } from './families.js';
import { LISTS } from './lists.js';

const HEADINGS: readonly [Exclude<ErrorClass, 'bug'>, string, string][] = [
  [
    'connection',
    'Lost connection',
    'The connection and all idle ones are closed, the address is resolved and opened again, the transaction is run again, for up to `retryFor`. Then exit 5.',
  ],
  [
    'read-only',
    'Read-only server',
    'The same, since after a failover the address soon leads to the new writer. If the server is still read-only after `retryFor`, it is not down: exit 2.',
  ],
  [
    'wait',
    'Wait and try again',
    'The transaction is run again on the same connections, for up to `retryFor`. Then exit 5.',
  ],
  [
    'no-space',
    'No space',
    'Exit 5 at once. What is in hand is released as far as the server allows; else its leases run out.',
  ],
  [
    'refused',
    "The operator's to change",
    'Exit 2 at once, with the message of the server and the advice.',
  ],
];

/** The text of docs/MYSQL-ERRORS.md. */
export async function errorDocument(): Promise<string> {
  const parts = [
    '# Errors of MySQL and MariaDB',
    'Every error of the server, of the driver and of the network belongs to a class, and the class decides what es-migrate does. This page is made from the rules in `src/core/tracking/error-rules/`; a test compares it, and checks that no error that MySQL 8.0, MySQL 9.7, MariaDB 11.8 or the driver can name is without a class.',
    'Transactions are safe to run again, even if their COMMIT succeeded and its answer was lost: they recognise their own work by the token of the lease.',
    "A number that none of these versions knows is classed by its SQLSTATE: `08…` lost connection, `40…` wait and try again, `25006` read-only server, `28…` the operator's to change. From 1900 on MySQL and MariaDB use the same numbers for different errors; es-migrate asks the server which of the two it is.",
    ...HEADINGS.flatMap(([errorClass, title, what]) => [
      `## ${title}`,
      what,
      [
        ...ERROR_RULES.filter((rule) => rule.class === errorClass).map(serverLine),
        ...DRIVER_RULES.filter((rule) => rule.class === errorClass).map(
          ({ what: meaning, codes, advice }) =>
            line(meaning, codes.map((code) => `\`${code}\``).join(', '), advice),
        ),
      ].join('\n'),
    ]),
    '## Bugs of es-migrate',
    'Exit 1. es-migrate sends no statement that could meet these, unless it has a bug:',
    FAMILIES.map((family) => `- ${family.why}${examplesOf(family)}`).join('\n'),
  ];
  const options = await resolveConfig('docs/MYSQL-ERRORS.md');
  return format(parts.join('\n\n'), { ...options, parser: 'markdown' });
}

function serverLine({ what, numbers, on, when, advice }: ErrorRule): string {
  const product = on === undefined ? '' : ` (${on} only)`;
  const condition = when === undefined ? '' : ', where the message says so';
  const names = [...numbers].sort((a, b) => a - b).map((number) => nameOf(number, on));
  return line(`${what}${product}${condition}`, names.join(', '), advice);
}

function line(what: string, errors: string, advice: string | undefined): string {
  return `- ${what}: ${errors}.${advice === undefined ? '' : ` _${advice}_`}`;
}

function nameOf(number: number, on: ErrorRule['on']): string {
  const lists =
    on === 'MariaDB' ? ['MariaDB 11.8'] : ['driver', 'MySQL 9.7', 'client library', 'MariaDB 11.8'];
  const found = lists.flatMap((list) => LISTS[list] ?? []).find((error) => error.number === number);
  return found === undefined ? String(number) : `${number} \`${found.name}\``;
}

/** Three of them, so that a reader sees what is meant. */
function examplesOf(family: Family): string {
  const ruled = new Set(ERROR_RULES.flatMap(({ numbers }) => numbers));
  const examples = Object.values(LISTS)
    .flat()
    .filter(({ number }) => !ruled.has(number))
    .filter(({ name }) => FAMILIES.find(({ names }) => names.test(name)) === family)
    .slice(0, 3);
  return `: ${examples.map(({ number, name }) => `${number} \`${name}\``).join(', ')}, …`;
}
