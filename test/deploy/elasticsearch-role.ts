import { onTestFinished } from 'vitest';
import { refusedBy } from '../faults/rules.js';
import { startHttpProxy, type Seen } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { textOf } from './files.js';

interface Role {
  readonly indices: readonly { readonly privileges: readonly string[] }[];
  readonly cluster?: readonly string[];
}

/** The privileges of deploy/elasticsearch-role.json. */
export async function privilegesOfRole(): Promise<readonly string[]> {
  const { indices, cluster = [] } = JSON.parse(await textOf('elasticsearch-role.json')) as Role;
  return [...cluster, ...indices.flatMap(({ privileges }) => privileges)];
}

/**
 * The sandbox's Elasticsearch for somebody who has these privileges: it has no users itself, and so a proxy refuses in its
 * place what none of them allows.
 *
 * @returns its URL
 */
export async function elasticsearchAllowing(privileges: readonly string[]): Promise<string> {
  const proxy = await startHttpProxy(sandbox().elasticsearch.url);
  onTestFinished(() => proxy.close());
  proxy.use((seen) =>
    privileges.includes(needed(seen)) ? undefined : refusedBy(403, 'security_exception'),
  );
  return proxy.url;
}

/** The privilege of an index that a request needs, by Elastic's list of security privileges. */
function needed({ method, url }: Seen): string {
  const path = url.replace(/\?.*/, '');
  if (/(^|\/)_(search|pit|field_caps)$/.test(path) && ['GET', 'POST', 'DELETE'].includes(method))
    return 'read';
  if (method === 'GET' && /^\/[^/_][^/]*\/_(mapping|settings)(\/|$)/.test(path))
    return 'view_index_metadata';
  return 'something else';
}
