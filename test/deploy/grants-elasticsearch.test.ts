import { beforeEach, expect, test } from 'vitest';
import { addMessages, createIndex } from '../extract/messages.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { elasticsearchAllowing, privilegesOfRole } from './elasticsearch-role.js';

beforeEach(sandboxCredentials);

async function job(privileges: readonly string[]) {
  const indices = freshIndexPrefix();
  for (const name of ['messages', 'message_history', 'message_status', 'message_audit'])
    await createIndex(`${indices}${name}`);
  await addMessages(
    `${indices}messages`,
    Array.from({ length: 20 }, (_, i) => ({ id: `m${i}`, at: Date.UTC(2024, 9, 1, 0, i) })),
  );
  const source = { url: await elasticsearchAllowing(privileges), related: {} };
  const { cwd, env } = await makeProject({ indices, settings: { source } });
  const range = ['--from', '2024-10-01', '--to', '2024-10-01'];
  return runBinary(['run', ...range, '--level', 'content'], { cwd, env });
}

test('the whole job runs with exactly these', async () => {
  const { code, stderr } = await job(await privilegesOfRole());
  expect(code, stderr).toBe(0);
});

test.each(['read', 'view_index_metadata'])('and does not without %s', async (privilege) => {
  const all = await privilegesOfRole();
  expect(all).toContain(privilege);
  const { code, stderr } = await job(all.filter((one) => one !== privilege));
  expect(code).toBe(2);
  expect(stderr).toContain('Elasticsearch does not allow this (403)');
});
