import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { refusedBy } from '../faults/rules.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { startHttpProxy, type Seen } from '../support/proxies/http-proxy.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { addMessages, createIndex } from '../extract/messages.js';
import { deployed } from './accounts.js';

beforeEach(sandboxCredentials);

interface Role {
  readonly indices: readonly { readonly privileges: readonly string[] }[];
  readonly cluster?: readonly string[];
}

/**
 * The privilege of an index a request needs, by Elastic's list of security privileges. The sandbox's Elasticsearch has no users:
 * a proxy refuses in its place what no privilege of the role allows.
 */
function needed({ method, url }: Seen): string {
  const path = url.replace(/\?.*/, '');
  if (/(^|\/)_(search|pit|field_caps)$/.test(path) && ['GET', 'POST', 'DELETE'].includes(method))
    return 'read';
  if (method === 'GET' && /^\/[^/_][^/]*\/_(mapping|settings)(\/|$)/.test(path))
    return 'view_index_metadata';
  return 'something else';
}

async function job(privileges: readonly string[]) {
  const indices = freshIndexPrefix();
  for (const name of ['messages', 'message_history', 'message_status', 'message_audit'])
    await createIndex(`${indices}${name}`);
  await addMessages(
    `${indices}messages`,
    Array.from({ length: 20 }, (_, i) => ({ id: `m${i}`, at: Date.UTC(2024, 9, 1, 0, i) })),
  );
  const proxy = await startHttpProxy(sandbox().elasticsearch.url);
  onTestFinished(() => proxy.close());
  proxy.use((seen) =>
    privileges.includes(needed(seen)) ? undefined : refusedBy(403, 'security_exception'),
  );
  const source = { url: proxy.url, related: {} };
  const { cwd, env } = await makeProject({ indices, settings: { source } });
  const range = ['--from', '2024-10-01', '--to', '2024-10-01'];
  return runBinary(['run', ...range, '--level', 'content'], { cwd, env });
}

async function role(): Promise<readonly string[]> {
  const { indices, cluster = [] } = JSON.parse(await deployed('elasticsearch-role.json')) as Role;
  expect(cluster).toEqual([]);
  return indices.flatMap(({ privileges }) => privileges);
}

test('the whole job runs with exactly these', async () => {
  const { code, stderr } = await job(await role());
  expect(code, stderr).toBe(0);
});

test.each(['read', 'view_index_metadata'])('and does not without %s', async (privilege) => {
  const all = await role();
  expect(all).toContain(privilege);
  const { code, stderr } = await job(all.filter((one) => one !== privilege));
  expect(code).toBe(2);
  expect(stderr).toContain('Elasticsearch does not allow this (403)');
});
