/**
 * Searches as a user interface sends them, RATE a second whether answered or not, for SECONDS; prints how long each took.
 *
 *   node search-load.js URL INDEX RATE SECONDS
 */
import { Pool } from 'undici';

const [url = '', index = '', rate = '', seconds = ''] = process.argv.slice(2);
const WORDS = ['parcel', 'depot', 'visit', 'tell', 'code', 'quick', 'rendez-vous', 'minut'];
const CHANNELS = ['sms', 'email', 'push', 'whatsapp'];
const pool = new Pool(url, { connections: 64 });
const tookMs: number[] = [];

async function search(number: number): Promise<void> {
  const body = JSON.stringify({
    size: 10,
    query: {
      bool: {
        must: [{ match: { body: WORDS[number % WORDS.length] } }],
        filter: [{ term: { channel: CHANNELS[number % CHANNELS.length] } }],
      },
    },
    sort: [{ timestamp: 'desc' }],
  });
  const began = performance.now();
  const headers = { 'content-type': 'application/json' };
  const answer = await pool.request({ method: 'POST', path: `/${index}/_search`, body, headers });
  if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
  await answer.body.dump();
  tookMs.push(performance.now() - began);
}

const running: Promise<void>[] = [];
const total = Number(rate) * Number(seconds);
await new Promise<void>((resolve) => {
  const began = performance.now();
  // Open loop: one that is late is sent as soon as it can be, and its wait would show.
  const tick = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * Number(rate)));
    while (running.length < due) running.push(search(running.length));
    if (running.length < total) return;
    clearInterval(tick);
    resolve();
  }, 5);
});
await Promise.all(running);
await pool.close();
console.log(JSON.stringify({ tookMs }));
