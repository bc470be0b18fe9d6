import { groupBy } from '../group-by.js';
import type { Host, Run } from '../run.js';
import type { Database } from './database.js';
import { identityOf, type LeasedTable } from './lease.js';

/** A live lease whose process is gone. */
export interface GoneLease {
  /** Of the batch, the job or the verification. */
  readonly id: number;
  readonly token: string;
  /** Host and process. */
  readonly owner: string;
}

/** What the rows of each table are called, and by which column. */
const HELD: Readonly<Record<LeasedTable, { id: string; noun: string; plural: string }>> = {
  batch_progress: { id: 'batch_id', noun: 'batch', plural: 'batches' },
  job_runs: { id: 'job_id', noun: 'the extraction of job', plural: 'the extractions of jobs' },
  verify_runs: { id: 'verify_id', noun: 'verification', plural: 'verifications' },
};

/**
 * Live leases of processes that this host knows to be gone. All others last until they run out, since nobody can tell: those
 * of other hosts and containers, and those an older es-migrate took. Changes nothing.
 */
export async function leasesOfGone(
  database: Database,
  table: LeasedTable,
  host: Pick<Host, 'identity' | 'stateOf'>,
): Promise<GoneLease[]> {
  if (host.identity === undefined) return [];
  const rows = await database.rows<{
    id: number;
    lease_token: string;
    lease_owner: string;
    lease_process: string;
  }>(
    `SELECT ${HELD[table].id} AS id, lease_token, lease_owner, lease_process FROM ${table}
     WHERE status IN ('in_progress', 'running') AND lease_expires_at >= NOW(6)
       AND lease_process LIKE CONCAT(lease_token, ' %') ORDER BY 1`,
  );
  const states = new Map<string, boolean>();
  const isGone = (identity: string): boolean => {
    const known = states.get(identity) ?? host.stateOf(identity) === 'gone';
    states.set(identity, known);
    return known;
  };
  return rows
    .filter((row) => isGone(identityOf(row.lease_process, row.lease_token) ?? ''))
    .map((row) => ({ id: row.id, token: row.lease_token, owner: row.lease_owner }));
}

/** Tokens of such leases of batches and extractions; never empty lists, which SQL has none of. */
export interface GoneTokens {
  readonly batches: readonly string[];
  readonly extractions: readonly string[];
  /** Who held them. */
  readonly owners: ReadonlySet<string>;
}

export const NONE: GoneTokens = { batches: [''], extractions: [''], owners: new Set() };

/** Of batches and extractions, what `leasesOfGone` gives. */
export async function tokensOfGone(
  { host }: Pick<Run, 'host'>,
  database: Database,
): Promise<GoneTokens> {
  const batches = await leasesOfGone(database, 'batch_progress', host);
  const extractions = await leasesOfGone(database, 'job_runs', host);
  const tokens = (leases: readonly GoneLease[]) => leases.map(({ token }) => token);
  return {
    batches: [...NONE.batches, ...tokens(batches)],
    extractions: [...NONE.extractions, ...tokens(extractions)],
    owners: new Set([...batches, ...extractions].map(({ owner }) => owner)),
  };
}

/**
 * Ends the leases of processes that are gone, so that nobody waits for them, and says so. Each by a conditional UPDATE that
 * names its token: a process that has taken such a lease over since keeps it.
 *
 * @returns how many were ended
 */
export async function endLeasesOfGone(
  { host, report }: Pick<Run, 'host' | 'report'>,
  database: Database,
  table: LeasedTable,
): Promise<number> {
  const ended: GoneLease[] = [];
  for (const lease of await leasesOfGone(database, table, host)) {
    // A whole second: what ran out less long ago may still count as held.
    const { affectedRows } = await database.change(
      `UPDATE ${table} SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND
       WHERE lease_token = ? AND status IN ('in_progress', 'running') AND lease_expires_at >= NOW(6)`,
      [lease.token],
    );
    if (affectedRows === 1) ended.push(lease);
  }
  await forgetProcesses(database, new Set(ended.map(({ owner }) => owner)));
  const { noun, plural } = HELD[table];
  for (const [owner, leases] of groupBy(ended, (lease) => lease.owner)) {
    const what = `${leases.length === 1 ? noun : plural} ${listed(leases.map(({ id }) => id))}`;
    const end = leases.length === 1 ? 'its lease ends now' : 'their leases end now';
    const message = `${processWords(owner)}, which held ${what}, is gone: ${end}`;
    report({ type: 'log', level: 'warn', message });
  }
  return ended.length;
}

/** What they said of their uploads and limits would be shown for half a minute more, and no lease says any longer that they are gone. */
async function forgetProcesses(database: Database, owners: ReadonlySet<string>): Promise<void> {
  if (owners.size === 0) return;
  for (const table of ['upload_limits', 'source_limits'])
    await database.change(`DELETE FROM ${table} WHERE owner IN (?)`, [[...owners]]);
}

/** `web1:123` as `process 123 on web1`. */
export function processWords(owner: string): string {
  const [, hostname, pid] = /^(.*):(\d+)$/.exec(owner) ?? [];
  return hostname === undefined || pid === undefined ? owner : `process ${pid} on ${hostname}`;
}

/** `4`, `4 and 5`, `4, 5 and 6`; of many only the first ones. */
function listed(ids: readonly number[]): string {
  const shown = ids.slice(0, MOST_LISTED).map(String);
  const rest = ids.length - shown.length;
  const last = rest > 0 ? `${rest} more` : shown.pop();
  return shown.length === 0 ? (last ?? '') : `${shown.join(', ')} and ${last ?? ''}`;
}

const MOST_LISTED = 8;
