import { readFile } from 'node:fs/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { onTestFinished } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { kindOf, refusedBy } from '../faults/rules.js';
import { loadMessages, RANGE, type Messages, type MessagesOptions } from '../hosts/messages.js';
import { runBinary, type Running } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { startHttpProxy } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { until } from '../support/until.js';

export interface Extracted {
  readonly messages: Messages;
  readonly project: Project;
}

export interface ExtractedOptions extends MessagesOptions {
  readonly layout?: 'message' | 'batch';
  readonly settings?: Record<string, unknown>;
}

export const SETTINGS = { batchSize: 10, concurrency: 2 };

/** Messages whose ids have been extracted, in batches of ten. */
export async function extracted({
  layout = 'message',
  settings = {},
  ...options
}: ExtractedOptions): Promise<Extracted> {
  const messages = await loadMessages(options);
  const project = await makeProject({
    indices: messages.indices,
    layout,
    settings: { ...SETTINGS, ...settings },
  });
  const { code, stderr } = await runBinary(['extract', ...RANGE], project);
  if (code !== 0) throw new Error(stderr);
  return { messages, project };
}

export interface Gate {
  open(): void;
}

/** Stands before Elasticsearch: whoever reads messages is refused, and asks again, until it is opened. */
export async function closedGate(
  project: Project,
  settings: Record<string, unknown> = {},
): Promise<Gate> {
  const busy = refusedBy(429, 'es_rejected_execution_exception');
  const proxy = await startHttpProxy(sandbox().elasticsearch.url, (seen) =>
    kindOf(seen) === 'read' ? busy : undefined,
  );
  onTestFinished(() => proxy.close());
  await project.configure({ ...SETTINGS, ...settings, source: { url: proxy.url } });
  return { open: () => proxy.use(() => undefined) };
}

/** Processes that hold or held a batch, as `host:pid`. */
export async function owners(project: Project): Promise<string[]> {
  const rows = await query<RowDataPacket & { lease_owner: string }>(
    project,
    'SELECT DISTINCT lease_owner FROM batch_progress WHERE lease_owner IS NOT NULL',
  );
  return rows.map(({ lease_owner }) => lease_owner);
}

/** Waits until that many processes hold batches; gives their ids. */
export async function holders(project: Project, count: number): Promise<number[]> {
  await until(async () => (await owners(project)).length === count, `${count} claiming processes`);
  return (await owners(project)).map((owner) => Number(owner.split(':').at(-1)));
}

/** Whether a process runs; one that has ended and was not waited for yet does not. */
export async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX]/.test(stat);
}

/** The children a process has now. */
export async function childrenOf({ child }: Running): Promise<number[]> {
  const pid = String(child.pid);
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/** Nothing is claimed by anybody. */
export async function claimed(project: Project): Promise<unknown[]> {
  return query(project, 'SELECT batch_id FROM batch_progress WHERE lease_expires_at IS NOT NULL');
}

export async function completedIn(project: Project): Promise<number> {
  return (await query(project, "SELECT 1 FROM message_tracking WHERE status = 'completed'")).length;
}
