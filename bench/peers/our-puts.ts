/**
 * Objects to S3 by our target's `put`, and nothing else: the same as sdk-puts.ts, with the same arguments.
 *
 *   node our-puts.js ENDPOINT COUNT BYTES AT_ONCE
 */
import { createHash, randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { openTarget } from '../../src/core/objects/open-target.js';

const [endpoint = '', count = '', size = '', atOnce = ''] = process.argv.slice(2);
const { signal } = new AbortController();
setMaxListeners(0, signal);
const target = await openTarget(
  {
    kind: 's3',
    layout: 'message',
    bucket: 'bench',
    prefix: 'p',
    region: 'us-east-1',
    endpoint,
    forcePathStyle: true,
    insecure: false,
  },
  { hostname: 'bench', pid: process.pid, isAlive: () => true },
);
const bytes = randomBytes(Number(size));
const sha256 = createHash('sha256').update(bytes).digest();
const content = { kind: 'memory', chunks: [bytes], bytes: bytes.length, sha256 } as const;
const waiting = Array.from({ length: Number(count) }, (_, i) => `messages/${i}.json`).values();

async function work(): Promise<void> {
  for (const key of waiting) {
    await target.put(key, { content, contentType: 'application/json' }, signal);
  }
}

const cpu = process.cpuUsage();
const began = performance.now();
await Promise.all(Array.from({ length: Number(atOnce) }, work));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
await target.close();
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, objects: Number(count) }));
