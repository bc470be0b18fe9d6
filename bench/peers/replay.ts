/**
 * Sends recorded searches again, as many at once as told, and drops the answers: what Elasticsearch gives to somebody who
 * does nothing with it.
 *
 *   node replay.js URL FILE AT_ONCE
 */
import { readFileSync } from 'node:fs';
import { Pool } from 'undici';
import type { RecordedSearch } from '../support/recorder.js';

const [url = '', file = '', atOnce = ''] = process.argv.slice(2);
const searches = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as RecordedSearch);
const pool = new Pool(url, { connections: Number(atOnce) });
const waiting = searches.values();
let bytes = 0;

async function work(): Promise<void> {
  for (const { path, body } of waiting) {
    const headers = { 'content-type': 'application/json' };
    const answer = await pool.request({ method: 'POST', path, body, headers });
    if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}`);
    for await (const chunk of answer.body as AsyncIterable<Buffer>) bytes += chunk.length;
  }
}

const cpu = process.cpuUsage();
const began = performance.now();
await Promise.all(Array.from({ length: Number(atOnce) }, work));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
await pool.close();
console.log(
  JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, searches: searches.length, bytes }),
);
