import { createConnection } from 'mysql2/promise';
import { beforeEach, expect, test } from 'vitest';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary, type Ended } from '../support/binary.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { indexed } from '../verify/support.js';
import { textOf } from './files.js';
import { leastAccounts, type Account, type Accounts } from './mysql-accounts.js';

beforeEach(sandboxCredentials);

/** Everything that is done in a migration, in its order. */
const JOB = [
  ['extract', '--from', '2024-10-01', '--to', '2024-10-01'],
  ['process'],
  ['retry'],
  ['reset-stuck'],
  ['verify', '--level', 'content', '--repair'],
  ['status'],
  ['errors'],
] as const;

type As = (who: Account, args: readonly string[]) => Promise<Ended>;

async function world(): Promise<{ as: As; accounts: Accounts }> {
  const { project } = await indexed({ ids: ids(30) });
  const accounts = await leastAccounts(project.database.database);
  const as: As = (who, args) =>
    runBinary(args, { cwd: project.cwd, env: { ...project.env, ...accounts.as(who) } });
  return { as, accounts };
}

test('the whole job runs with exactly these', async () => {
  const { as } = await world();
  expect(await as('owner', ['db', 'migrate'])).toMatchObject({ code: 0 });
  for (const args of JOB) {
    const { code, stderr } = await as('worker', args);
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  }
});

test('the file as it is shipped runs nothing: its passwords have to be written first', async () => {
  const { host, port, user, password } = sandbox().mysql;
  const connection = await createConnection({
    ...{ host, port, user, password },
    multipleStatements: true,
  });
  const owners = async () => {
    const found = await connection.query(
      "SELECT 1 FROM mysql.user WHERE User = 'es_migrate_owner'",
    );
    return found[0];
  };
  try {
    expect(await owners()).toEqual([]);
    const text = await textOf('grants.sql');
    await expect(connection.query(text)).rejects.toMatchObject({ code: 'ER_PARSE_ERROR' });
    // Nor the rest, for a client that passes over errors.
    const withoutComments = text.replaceAll(/^--.*$/gm, '');
    for (const statement of withoutComments.split(';').filter((one) => /CREATE USER/.test(one)))
      await expect(connection.query(statement)).rejects.toMatchObject({ code: 'ER_PARSE_ERROR' });
    expect(await owners()).toEqual([]);
  } finally {
    await connection.end();
  }
});

test('neither is let in without TLS', async () => {
  const { project } = await indexed({ ids: ids(1) });
  const accounts = await leastAccounts(project.database.database);
  for (const who of ['owner', 'worker'] as const) {
    // An empty variable counts as not set.
    const plain = { ES_MIGRATE_TRACKING_TLS: 'off', ES_MIGRATE_TRACKING_TLS_CA_FILE: '' };
    const env = { ...project.env, ...accounts.as(who), ...plain };
    const { code, stderr } = await runBinary(['db', 'migrate'], { cwd: project.cwd, env });
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/Access denied.*\n.*tracking\.tls: on/);
  }
});

test.each(['SELECT', 'INSERT', 'UPDATE', 'CREATE', 'ALTER'])(
  'the tables can’t be made without %s',
  async (privilege) => {
    const { as, accounts } = await world();
    await accounts.revoke(privilege, 'owner');
    const { code, stderr } = await as('owner', ['db', 'migrate']);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/denied/);
  },
);

test.each(['SELECT', 'INSERT', 'UPDATE', 'DELETE'])(
  'the job does not run without %s, and says so in a line',
  async (privilege) => {
    const { as, accounts } = await world();
    expect(await as('owner', ['db', 'migrate'])).toMatchObject({ code: 0 });
    await accounts.revoke(privilege, 'worker');
    let refused: Ended | undefined;
    for (const args of JOB) {
      const ended = await as('worker', args);
      if (ended.code !== 0) refused ??= ended;
    }
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/denied/) as string });
  },
);
