/**
 * Objects of 1 KB to S3: our target's `put` against the AWS SDK's own PutObject, to a server on the loopback that
 * answers at once. What is measured is the client. Alternating in one run, since the machine's speed drifts.
 *
 *   npx --yes tsx bench/uploads.ts
 */
import { fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { openTarget } from '../src/core/objects/open-target.js';

const OBJECT_BYTES = 1024;
const SECONDS = 2;
const ROUNDS = 7;
const AT_ONCE = [32, 64];

type Put = (key: string, bytes: Buffer, sha256: Buffer) => Promise<unknown>;

interface Measured {
  readonly perSecond: number;
  /** Of this process, in milliseconds. */
  readonly cpuPerObject: number;
}

/** Answers every request, once it is whole, with an empty 200. */
async function serve(): Promise<void> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send?.((server.address() as AddressInfo).port);
  process.on('disconnect', () => process.exit());
}

async function measure(put: Put, atOnce: number): Promise<Measured> {
  const bytes = randomBytes(OBJECT_BYTES);
  const sha256 = createHash('sha256').update(bytes).digest();
  let done = 0;
  const began = performance.now();
  const cpu = process.cpuUsage();
  const worker = async (): Promise<void> => {
    while (performance.now() - began < SECONDS * 1000) {
      done += 1;
      await put(`messages/m%2F${done}.json`, bytes, sha256);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: done / seconds, cpuPerObject: (user + system) / 1000 / done };
}

const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const median = (numbers: readonly number[]) => sorted(numbers)[numbers.length >> 1] ?? 0;

function summary(numbers: readonly number[], digits: number): string {
  const [least, most] = [sorted(numbers)[0] ?? 0, sorted(numbers).at(-1) ?? 0];
  return `${median(numbers).toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

function line(name: string, rounds: readonly Measured[]): string {
  const rates = rounds.map(({ perSecond }) => perSecond);
  const costs = rounds.map(({ cpuPerObject }) => cpuPerObject);
  return `  ${name.padEnd(8)} ${summary(rates, 0)} objects/s, ${summary(costs, 3)} ms of CPU each`;
}

async function compare(endpoint: string): Promise<void> {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const place = { region: 'us-east-1', endpoint, forcePathStyle: true };
  const bucket = { bucket: 'bench', prefix: 'p', layout: 'message', insecure: false } as const;
  const host = { hostname: 'bench', pid: process.pid, isAlive: () => true };
  const target = await openTarget({ kind: 's3', ...place, ...bucket }, host);
  const client = new S3Client({
    ...place,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: 1000 } },
  });
  const ours: Put = (key, bytes, sha256) => {
    const content = { kind: 'memory', chunks: [bytes], bytes: bytes.length, sha256 } as const;
    return target.put(key, { content, contentType: 'application/json' }, signal);
  };
  const sdk: Put = (key, bytes, sha256) => {
    const object = { Bucket: 'bench', Key: `p/${key}`, Body: bytes };
    const ChecksumSHA256 = sha256.toString('base64');
    const command = { ...object, ContentType: 'application/json', ChecksumSHA256 };
    return client.send(new PutObjectCommand(command), { abortSignal: signal });
  };
  for (const atOnce of AT_ONCE) {
    // Compiled code, open connections.
    await measure(ours, atOnce);
    await measure(sdk, atOnce);
    const [mine, theirs]: [Measured[], Measured[]] = [[], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      mine.push(await measure(ours, atOnce));
      theirs.push(await measure(sdk, atOnce));
    }
    const pairs = mine.map((one, round) => [one, theirs[round] ?? one] as const);
    const rates = pairs.map(([one, other]) => one.perSecond / other.perSecond);
    const costs = pairs.map(([one, other]) => other.cpuPerObject / one.cpuPerObject);
    console.log(`${atOnce} at once, ${ROUNDS} rounds: median (least to most)`);
    console.log(line('put', mine));
    console.log(line('SDK', theirs));
    console.log(`  ratio    rate ${summary(rates, 1)}, CPU ${summary(costs, 1)}`);
  }
  client.destroy();
  await target.close();
}

if (process.argv[2] === 'serve') {
  await serve();
} else {
  process.env['AWS_ACCESS_KEY_ID'] = 'bench';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'bench';
  const server = fork(fileURLToPath(import.meta.url), ['serve']);
  const [port] = (await once(server, 'message')) as [number];
  await compare(`http://127.0.0.1:${port}`);
  server.disconnect();
}
