import type { Sample } from '../killed/samples.js';
import { elasticsearchAllowing, privilegesOfRole } from '../deploy/elasticsearch-role.js';
import { leastAccounts } from '../deploy/mysql-accounts.js';
import { runBinary } from '../support/binary.js';
import { auditLeases } from '../support/lease-audit.js';
import { makeProject, type Project } from '../support/project.js';

/**
 * A project to migrate the sample, its tables made, its leases audited.
 *
 * @param grants `least`: MySQL and Elasticsearch allow what deploy/ asks for, and no more
 */
export async function projectOf(
  { indices }: Sample,
  settings: Record<string, unknown>,
  grants: 'all' | 'least',
): Promise<Project> {
  const source = grants === 'least' && {
    source: { url: await elasticsearchAllowing(await privilegesOfRole()) },
  };
  const project = await makeProject({ indices, settings: { ...settings, ...source } });
  const accounts = grants === 'least' ? await leastAccounts(project.database.database) : undefined;
  const env = { ...project.env, ...accounts?.as('owner') };
  const { code, stderr } = await runBinary(['db', 'migrate'], { cwd: project.cwd, env });
  if (code !== 0) throw new Error(stderr);
  await auditLeases(project);
  return { ...project, env: { ...project.env, ...accounts?.as('worker') } };
}
