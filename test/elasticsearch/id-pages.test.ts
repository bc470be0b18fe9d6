import { expect, onTestFinished, test } from 'vitest';
import { openSource } from '../../src/core/elasticsearch/source.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { bulk, createIndex, never, settings } from './support.js';

const interval = { from: Date.UTC(2026, 0, 1), to: Date.UTC(2026, 1, 1) };

/** Sizes of the pages in which all ids are read, and how many different ids these are. */
async function pages(index: string, sourceLoad: number): Promise<{ sizes: number[]; ids: number }> {
  const limits = { sourceRequestsPerSecond: 0, sourceLatencyTargetMs: 0, maxInFlightBytes: 0 };
  const policy = { retryForMs: 10_000, report: () => undefined };
  const source = openSource(settings({ index }), { ...limits, sourceLoad }, policy);
  onTestFinished(() => source.close());
  const { pitId } = await source.openWindow(interval, never);
  const sizes: number[] = [];
  const ids = new Set<string>();
  let searchAfter: string | undefined;
  for (let last = false; !last;) {
    const page = await source.readPage({
      pitId,
      interval,
      slice: 0,
      slices: 1,
      searchAfter,
      signal: never,
    });
    if (page === 'pit-lost') throw new Error('the point in time is gone');
    sizes.push(page.messages.length);
    for (const { id } of page.messages) ids.add(id.toString());
    ({ searchAfter, last } = page);
  }
  await source.closePit(pitId);
  return { sizes, ids: ids.size };
}

test('ids come in short pages where Elasticsearch is to be left alone in between, else as many at once as it gives', async () => {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, { properties: { timestamp: { type: 'date' } } });
  const source = '{"timestamp":"2026-01-02T00:00:00Z"}';
  const add = (first: number, count: number) =>
    bulk(
      index,
      Array.from({ length: count }, (_, i) => ({ id: `m${first + i}`, source })),
    );
  await add(0, 2_000);
  expect(await pages(index, 0.5)).toEqual({ sizes: [2_000, 0], ids: 2_000 });
  await add(2_000, 100);
  expect(await pages(index, 0.5)).toEqual({ sizes: [2_000, 100], ids: 2_100 });
  expect(await pages(index, 0)).toEqual({ sizes: [2_100], ids: 2_100 });
});
