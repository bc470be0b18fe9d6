import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary, type Ended } from '../support/binary.js';
import type { Project } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { indexed } from '../verify/support.js';
import { deployed } from './accounts.js';

beforeEach(sandboxCredentials);

const PASSWORDS = { owner: 'of the owner', worker: 'of the worker' };

interface Accounts {
  readonly database: string;
  readonly owner: string;
  readonly worker: string;
  /** As the administrator. */
  readonly run: (sql: string) => Promise<void>;
}

/** The accounts of grants.sql, and their database, under names of this test's own. */
async function accounts(): Promise<Accounts> {
  const { host, port, user, password } = sandbox().mysql;
  const suffix = randomBytes(4).toString('hex');
  const [owner, worker] = [`owner_${suffix}`, `worker_${suffix}`];
  const database = `test_${suffix}`;
  const run = async (sql: string) => {
    const connection = await createConnection({
      ...{ host, port, user, password },
      multipleStatements: true,
    });
    await connection.query(sql).finally(() => connection.end());
  };
  await run(
    await deployed('grants.sql', {
      "'replace this'": `'${PASSWORDS.owner}'`,
      "'replace this, too'": `'${PASSWORDS.worker}'`,
      "'es_migrate_owner'@": `'${owner}'@`,
      "'es_migrate'@": `'${worker}'@`,
      'EXISTS es_migrate ': `EXISTS ${database} `,
      'es_migrate.*': `${database}.*`,
    }),
  );
  onTestFinished(() => run(`DROP USER '${owner}'@'%', '${worker}'@'%'; DROP DATABASE ${database}`));
  return { database, owner, worker, run };
}

/** A command as one of the accounts. */
async function as(
  { project, accounts: { database, ...users } }: { project: Project; accounts: Accounts },
  who: 'owner' | 'worker',
  args: readonly string[],
): Promise<Ended> {
  const { host, port } = sandbox().mysql;
  return runBinary(args, {
    cwd: project.cwd,
    env: {
      ...project.env,
      ES_MIGRATE_TRACKING_URL: `mysql://${users[who]}@${host}:${port}/${database}`,
      ES_MIGRATE_TRACKING_PASSWORD: PASSWORDS[who],
    },
  });
}

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

async function world() {
  const { project } = await indexed({ ids: ids(30) });
  return { project, accounts: await accounts() };
}

test('the whole job runs with exactly these', async () => {
  const made = await world();
  expect(await as(made, 'owner', ['db', 'migrate'])).toMatchObject({ code: 0 });
  for (const args of JOB) {
    const { code, stderr } = await as(made, 'worker', args);
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  }
});

test.each(['SELECT', 'INSERT', 'UPDATE', 'CREATE', 'ALTER'])(
  'the tables can’t be made without %s',
  async (privilege) => {
    const made = await world();
    const { run, database, owner } = made.accounts;
    await run(`REVOKE ${privilege} ON ${database}.* FROM '${owner}'@'%'`);
    const { code, stderr } = await as(made, 'owner', ['db', 'migrate']);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/denied/);
  },
);

test.each(['SELECT', 'INSERT', 'UPDATE', 'DELETE'])(
  'the job does not run without %s, and says so in a line',
  async (privilege) => {
    const made = await world();
    const { run, database, worker } = made.accounts;
    expect(await as(made, 'owner', ['db', 'migrate'])).toMatchObject({ code: 0 });
    await run(`REVOKE ${privilege} ON ${database}.* FROM '${worker}'@'%'`);
    const failures: Ended[] = [];
    for (const args of JOB) failures.push(await as(made, 'worker', args));
    const failed = failures.filter(({ code }) => code !== 0);
    expect(failed).not.toEqual([]);
    expect(failed[0]).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/denied/) as string,
    });
  },
);
