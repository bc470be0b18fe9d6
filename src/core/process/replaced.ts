import type { Connections } from '../connect.js';
import { isUsage } from '../errors.js';
import type { Run } from '../run.js';
import {
  countMissing,
  countUnfinished,
  indicesOfOpen,
  type ReadIndex,
} from '../tracking/job-indices.js';
import type { JobSet } from '../tracking/scope.js';

/** Names asked for at once; they have to fit into a URL of 4,096 bytes. */
const NAMES_AT_ONCE = 12;

/** What has become of an index since its messages were extracted. */
type Fate =
  | { readonly kind: 'gone' | 'replaced' }
  /** Its name is an alias of another one. */
  | { readonly kind: 'alias'; readonly of: string };

/** Says once for each index that was replaced or deleted since it was extracted how many messages of it are to be migrated yet. */
export async function warnOfReplaced(run: Run, on: Connections, scope: JobSet): Promise<void> {
  const open = await indicesOfOpen(on.database, scope, ['pending', 'in_progress']);
  for (const [index, fate] of await fatesOf(run, on, open)) {
    const { messages, isExact } = await countUnfinished(on.database, index);
    if (messages === 0) continue;
    const count = `${isExact ? '' : 'up to '}${messages} ${messages === 1 ? 'message' : 'messages'} of it not migrated yet`;
    warnOnce(run, on, `index ${index.name} ${whatBecame(index, fate, count)}`, {
      key: `${index.name} ${fate.kind}`,
      messages,
    });
  }
}

/** The same after messages have failed: for each index that is gone, how many were missing because of that. */
export async function warnOfMissing(run: Run, on: Connections, scope: JobSet): Promise<void> {
  const failed = await indicesOfOpen(on.database, scope, ['failed']);
  for (const [index, fate] of await fatesOf(run, on, failed)) {
    const messages = await countMissing(on.database, index);
    if (messages === 0) continue;
    const what =
      fate.kind === 'gone' ? 'is gone' : 'was replaced since it was extracted and lacks them';
    const message =
      `${messages} ${messages === 1 ? 'message' : 'messages'} failed with missing because index ${index.name} ${what}: ` +
      `give an index that holds them the alias ${index.name} and run "es-migrate retry --error missing", ` +
      `or settle them with "es-migrate accept --error missing"`;
    warnOnce(run, on, message, { key: `${index.name} missing`, messages });
  }
}

/** What was said already of the connections that a command has: `run` processes in several rounds. */
const said = new WeakMap<Connections, Set<string>>();

function warnOnce(
  { report }: Run,
  on: Connections,
  message: string,
  { key, messages }: { key: string; messages: number },
): void {
  const before = said.get(on) ?? new Set();
  if (before.has(key)) return;
  said.set(on, before.add(key));
  report({ type: 'log', level: 'warn', message, fields: { messages } });
}

function whatBecame({ name }: ReadIndex, fate: Fate, count: string): string {
  const then = `those that are not there will fail with missing`;
  switch (fate.kind) {
    case 'gone':
      return `is gone: ${count} will fail with missing; where another index holds them, give it the alias ${name}, then "es-migrate retry --error missing"`;
    case 'alias':
      return `was an index when it was extracted, and is an alias of ${fate.of} now: ${count} will be read from there; ${then}`;
    case 'replaced':
      return `was replaced since it was extracted (its UUID is another now): ${count} will be read from the new one; ${then}`;
  }
}

/** Those of some indices that are not what they were. */
async function fatesOf(
  run: Run,
  on: Connections,
  indices: readonly ReadIndex[],
): Promise<[ReadIndex, Fate][]> {
  const changed: [ReadIndex, Fate][] = [];
  for (let first = 0; first < indices.length; first += NAMES_AT_ONCE) {
    const part = indices.slice(first, first + NAMES_AT_ONCE);
    const now = await uuidsOf(
      run,
      on,
      part.map(({ name }) => name),
    );
    if (!now) continue;
    for (const index of part) {
      const fate = await fateOf(run, on, index, now);
      if (fate) changed.push([index, fate]);
    }
  }
  return changed;
}

async function fateOf(
  run: Run,
  on: Connections,
  { name, uuids }: ReadIndex,
  now: ReadonlyMap<string, string>,
): Promise<Fate | undefined> {
  const uuid = now.get(name);
  if (uuid !== undefined) return uuids.includes(uuid) ? undefined : { kind: 'replaced' };
  const behind = await uuidsOf(run, on, [name]);
  if (!behind) return undefined;
  const [of] = behind.keys();
  return of === undefined ? { kind: 'gone' } : { kind: 'alias', of };
}

/** Undefined where the user may not see them: that is said where it matters, when messages are read. */
async function uuidsOf(
  { stop }: Run,
  { source }: Connections,
  names: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    return await source.indexUuids(names.join(','), stop);
  } catch (error) {
    if (isUsage(error)) return undefined;
    throw error;
  }
}
