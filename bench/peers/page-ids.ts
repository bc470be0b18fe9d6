/**
 * Pages through the ids of an index under a point in time, in slices, and drops them.
 *
 *   node page-ids.js URL INDEX FROM_MS TO_MS SLICES
 */
import { Pool } from 'undici';

const [url = '', index = '', from = '', to = '', slices = ''] = process.argv.slice(2);
const PAGE = 10_000;
const pool = new Pool(url, { connections: Number(slices) });
const query = `{"bool":{"filter":[{"range":{"timestamp":{"gte":${from},"lt":${to},"format":"epoch_millis"}}}]}}`;

async function answer(method: 'POST' | 'DELETE', path: string, body?: string): Promise<Buffer> {
  const headers = { 'content-type': 'application/json' };
  const { statusCode, body: answered } = await pool.request({
    method,
    path,
    headers,
    ...(body !== undefined && { body }),
  });
  const bytes = Buffer.from(await answered.arrayBuffer());
  if (statusCode !== 200)
    throw new Error(`${path} answered ${statusCode}: ${bytes.toString('utf8', 0, 500)}`);
  return bytes;
}

async function readSlice(pit: string, slice: number): Promise<number> {
  let ids = 0;
  let after = '';
  for (;;) {
    const page = await answer(
      'POST',
      '/_search',
      `{"pit":{"id":"${pit}","keep_alive":"5m"},"size":${PAGE},"query":${query},"_source":false,"sort":["_shard_doc"],` +
        `"track_total_hits":false,"slice":{"id":${slice},"max":${slices}}${after}}`,
    );
    // The cursor is all that is looked for: the last hit's sort values, near the end.
    const at = page.lastIndexOf('"sort":[');
    if (at < 0) return ids;
    after = `,"search_after":${page.toString('utf8', at + '"sort":'.length, page.indexOf(']', at) + 1)}`;
    let hits = 0;
    for (let next = page.indexOf('"_id":'); next >= 0; next = page.indexOf('"_id":', next + 6))
      hits += 1;
    ids += hits;
    if (hits < PAGE) return ids;
  }
}

const began = performance.now();
const { id } = JSON.parse(
  (await answer('POST', `/${index}/_pit?keep_alive=5m`)).toString('utf8'),
) as { id: string };
const counts = await Promise.all(
  Array.from({ length: Number(slices) }, (_, slice) => readSlice(id, slice)),
);
const seconds = (performance.now() - began) / 1000;
await answer('DELETE', '/_pit', JSON.stringify({ id }));
await pool.close();
console.log(JSON.stringify({ seconds, ids: counts.reduce((sum, count) => sum + count, 0) }));
