/**
 * Objects to S3 by the AWS SDK's own PutObject, and nothing else; credentials from the environment.
 *
 *   node sdk-puts.js ENDPOINT COUNT BYTES AT_ONCE
 */
import { randomBytes } from 'node:crypto';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const [endpoint = '', count = '', size = '', atOnce = ''] = process.argv.slice(2);
const client = new S3Client({
  endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  maxAttempts: 1,
  // Without this it would be slower by a third.
  requestChecksumCalculation: 'WHEN_REQUIRED',
  requestHandler: { httpAgent: { keepAlive: true, maxSockets: Number(atOnce) } },
});
const Body = randomBytes(Number(size));
const waiting = Array.from({ length: Number(count) }, (_, i) => `messages/${i}.json`).values();

async function work(): Promise<void> {
  for (const Key of waiting) {
    await client.send(
      new PutObjectCommand({ Bucket: 'bench', Key, Body, ContentType: 'application/json' }),
    );
  }
}

const cpu = process.cpuUsage();
const began = performance.now();
await Promise.all(Array.from({ length: Number(atOnce) }, work));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
client.destroy();
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, objects: Number(count) }));
