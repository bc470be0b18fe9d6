import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { startOther, type OtherServer } from './other-server.js';

let server: OtherServer;
beforeAll(async () => {
  server = await startOther();
});
afterAll(() => server.stop());

/** There is no such variable, or it is not a session's. */
const NOT_OF_SESSIONS = new Set([1193, 1229, 1238]);

/** Variables that a session may have a value of its own for. */
async function sessionVariables(admin: Connection): Promise<string[]> {
  const [all] = await admin.query<RowDataPacket[]>('SHOW SESSION VARIABLES');
  const names = all.map((row) => String(row['Variable_name']).toLowerCase());
  const found: string[] = [];
  for (const name of names) {
    const error = await admin.query(`SET SESSION ${name} = DEFAULT`).then(
      () => undefined,
      (reason: unknown) => reason as { errno?: number },
    );
    if (!NOT_OF_SESSIONS.has(error?.errno ?? 0)) found.push(name);
  }
  return found;
}

test('each variable of a session has an answer in docs/MYSQL-SESSION.md', async () => {
  const text = await readFile(join(packageRoot(), 'docs/MYSQL-SESSION.md'), 'utf8');
  const answered = new Set([...text.matchAll(/`([a-z0-9_]+)`/g)].map(([, name]) => name));
  const variables = await sessionVariables(server.admin);
  expect(variables).toContain('sql_select_limit');
  expect(variables.filter((name) => !answered.has(name))).toEqual([]);
});
