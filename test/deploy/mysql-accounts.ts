import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import { onTestFinished } from 'vitest';
import { sandbox } from '../support/sandbox.js';
import { textOf } from './files.js';

const PASSWORDS = { owner: 'of the owner', worker: 'of the worker' };

export type Account = keyof typeof PASSWORDS;

export interface Accounts {
  /** The environment of a command that is run as one of them. */
  as(who: Account): Record<string, string>;
  revoke(privilege: string, from: Account): Promise<void>;
}

/** The accounts of grants.sql, under names of this test's own, for a database that is there already. */
export async function leastAccounts(database: string): Promise<Accounts> {
  const { host, port, user, password, caFile } = sandbox().mysql;
  const suffix = randomBytes(4).toString('hex');
  const names = { owner: `owner_${suffix}`, worker: `worker_${suffix}` };
  const run = async (sql: string) => {
    const connection = await createConnection({
      ...{ host, port, user, password },
      multipleStatements: true,
    });
    await connection.query(sql).finally(() => connection.end());
  };
  await run(
    await textOf('grants.sql', {
      '<password of the owner>': `'${PASSWORDS.owner}'`,
      '<password of the worker>': `'${PASSWORDS.worker}'`,
      "'es_migrate_owner'@": `'${names.owner}'@`,
      "'es_migrate'@": `'${names.worker}'@`,
      'EXISTS es_migrate ': `EXISTS ${database} `,
      'es_migrate.*': `${database}.*`,
    }),
  );
  onTestFinished(() => run(`DROP USER '${names.worker}'@'%', '${names.owner}'@'%'`));
  return {
    as: (who) => ({
      ES_MIGRATE_TRACKING_URL: `mysql://${names[who]}@${host}:${port}/${database}`,
      ES_MIGRATE_TRACKING_PASSWORD: PASSWORDS[who],
      ES_MIGRATE_TRACKING_TLS_CA_FILE: caFile,
    }),
    revoke: (privilege, from) =>
      run(`REVOKE ${privilege} ON ${database}.* FROM '${names[from]}'@'%'`),
  };
}
