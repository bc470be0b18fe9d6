import type { Connections } from '../connect.js';
import { listed } from '../words.js';
import { usage } from '../errors.js';
import type { Run } from '../run.js';
import {
  countTracked,
  indicesReadIn,
  type ReadIndex,
  type ReadIndexOfRange,
} from '../tracking/job-indices.js';
import type { ReadIndices, Watch } from './read-indices.js';
import type { ExtractOptions, Interval } from './types.js';

/** New indices that are looked into; their names have to fit into a URL. */
const MOST_INDICES = 10;

/**
 * Looks, before anything is stored, whether an index was replaced since messages of this interval were extracted. Under its own
 * name: that is said. By one of another name, such as a reindexed or shrunk one behind the same alias: a message is its id and
 * its index, so each would be tracked a second time; that is refused unless `allowReplaced` is set.
 *
 * @returns the indices that messages may be tracked under, too, where it could not be excluded
 * @throws MigrateError `usage`
 */
export async function checkReplaced(
  run: Run,
  on: Connections,
  interval: Interval,
  { allowReplaced = false }: Pick<ExtractOptions, 'allowReplaced'>,
): Promise<Watch | undefined> {
  const { database, indices, settings } = on;
  const before = await indicesReadIn(database, interval, settings.source.index);
  await sayReplaced(run, on, before);
  const old = await replacedOf(run, on, before);
  const fresh = indices.filter((name) => !before.some((one) => one.name === name));
  if (old.length === 0 || fresh.length === 0) return undefined;
  const indexIds = old.map(({ indexId }) => indexId);
  const { tracked, looked } = await sample(run, on, interval, { fresh, indexIds });
  if (tracked > 0) {
    const names = listed(old.map(({ name }) => name));
    const what =
      `of ${looked} messages of this range in ${listed(fresh)}, ${tracked} are tracked under ${names} already, ` +
      `which ${settings.source.index} does not stand for`;
    if (!allowReplaced)
      throw usage(`${what}: each would be migrated a second time`, adviceFor(old));
    run.report({ type: 'log', level: 'warn', message: `${what}: they are tracked twice` });
  }
  return { indexIds };
}

/**
 * Those that messages are not read from any more. One that was read by another name than the configured one, and is still
 * there, is another source: the same ids may occur in both.
 */
async function replacedOf(
  { stop }: Run,
  { source, indices }: Connections,
  before: readonly ReadIndexOfRange[],
): Promise<ReadIndex[]> {
  const old: ReadIndex[] = [];
  for (const index of before.filter(({ name }) => !indices.includes(name))) {
    const isElsewhere =
      !index.isConfigured && (await source.indexUuids(index.name, stop)).has(index.name);
    if (!isElsewhere) old.push(index);
  }
  return old;
}

function adviceFor(old: readonly ReadIndex[]): string {
  const [first] = old;
  return (
    `Extract what no job covers yet; --allow-replaced-index extracts this range all the same, under the new name. ` +
    `Messages that are not migrated yet are found by process once the new index has the alias ${first?.name ?? ''}.`
  );
}

/** What was found while pages were read, of messages that the look before it had not met, or that were allowed. */
export function sayTrackedTwice({ report }: Run, { trackedTwice }: ReadIndices): void {
  if (trackedTwice === 0) return;
  const message = `${trackedTwice} of the messages read are tracked twice now, also under the name of an index that was replaced`;
  report({ type: 'log', level: 'warn', message, fields: { messages: trackedTwice } });
}

/** Looks some messages of the new indices up: one page of ids, as Elasticsearch holds them. */
async function sample(
  { stop }: Run,
  { source, settings, database }: Connections,
  interval: Interval,
  { fresh, indexIds }: { fresh: readonly string[]; indexIds: readonly number[] },
): Promise<{ tracked: number; looked: number }> {
  const { dateField, filter } = settings.source;
  const scope = { index: fresh.slice(0, MOST_INDICES).join(','), dateField, filter };
  const { pitId } = await source.openWindow(interval, stop, scope);
  try {
    const request = { pitId, interval, slice: 0, slices: 1, searchAfter: undefined, signal: stop };
    const page = await source.readPage(request, scope);
    const ids = page === 'pit-lost' ? [] : page.messages.map(({ id }) => id);
    return { tracked: await countTracked(database, ids, indexIds), looked: ids.length };
  } finally {
    await source.closePit(pitId);
  }
}

/** One line for each index that has another UUID than when a job read it. */
async function sayReplaced(
  run: Run,
  { source, settings, indices }: Connections,
  before: readonly ReadIndex[],
): Promise<void> {
  const known = before.filter(({ name, uuids }) => indices.includes(name) && uuids.length > 0);
  if (known.length === 0) return;
  const now = await source.indexUuids(settings.source.index, run.stop);
  for (const { name, uuids, jobs } of known) {
    const uuid = now.get(name);
    if (uuid === undefined || uuids.includes(uuid)) continue;
    const message =
      `index ${name} was replaced since job ${jobs.join(', ')} read it (its UUID is another now): messages that are tracked ` +
      `are not tracked twice, what it holds besides is added, and what only the old one held stays tracked`;
    run.report({ type: 'log', level: 'warn', message });
  }
}
