/**
 * The original design's way: one message after the other, each by a GET and three searches, parsed and joined; nothing
 * is written. One of several processes.
 *
 *   node original-way.js URL PREFIX FILE PART PARTS       FILE: ids in hexadecimal, one a line
 */
import { readFileSync } from 'node:fs';
import { Client } from '@elastic/elasticsearch';
import { sampleIndices } from '../../sandbox/sample.js';

const [node = '', prefix = '', file = '', part = '', parts = ''] = process.argv.slice(2);
const ids = readFileSync(file, 'latin1')
  .trim()
  .split('\n')
  .filter((_, i) => i % Number(parts) === Number(part))
  .map((line) => Buffer.from(line, 'hex').toString('utf8'));
const indices = sampleIndices(prefix);
const client = new Client({ node });

async function records(index: string, id: string): Promise<unknown[]> {
  const query = { term: { message_id: id } };
  const { hits } = await client.search({ index, query, sort: [{ at: 'asc' }], size: 1000 });
  return hits.hits.map(({ _source }) => _source);
}

let bytes = 0;
const began = performance.now();
for (const id of ids) {
  const { _source: message } = await client.get({ index: indices.messages, id });
  const [history, status, audit] = await Promise.all([
    records(indices.history, id),
    records(indices.status, id),
    records(indices.audit, id),
  ]);
  bytes += Buffer.byteLength(JSON.stringify({ message_id: id, message, history, status, audit }));
}
const seconds = (performance.now() - began) / 1000;
await client.close();
console.log(JSON.stringify({ seconds, messages: ids.length, bytes }));
