import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createSpool } from '../../src/core/objects/spool.js';
import type { Content } from '../../src/core/objects/target.js';

/** A signal that is never given. */
export const never: AbortSignal = new AbortController().signal;
// Its users are many: uploads side by side each listen to it.
setMaxListeners(0, never);

/** This process, as targets know it. */
export const thisProcess = {
  ...{ hostname: 'host-a.example', pid: process.pid, isAlive },
  uid: process.geteuid?.(),
};

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The id of a process that was, and is no more. */
export async function deadPid(): Promise<number> {
  const child = spawn('true');
  await once(child, 'close');
  if (child.pid === undefined) throw new Error('no process was started');
  return child.pid;
}

/** A temp directory that goes with the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** The uid of `nobody`. */
export const STRANGER = 65_534;

/** Makes a file or directory another user's. */
export async function giveAway(path: string): Promise<void> {
  await chown(path, STRANGER, STRANGER).catch((error: unknown) => {
    throw new Error('This test gives a file to another user: run it as root.', { cause: error });
  });
}

/** Content in memory, in chunks of `chunkSize` bytes. */
export function inMemory(bytes: Uint8Array, chunkSize = bytes.length || 1): Promise<Content> {
  return spooled(bytes, chunkSize, Number.POSITIVE_INFINITY, '/nowhere');
}

/** The same content staged in a file. */
export async function inFile(bytes: Uint8Array, chunkSize = 1024 * 1024): Promise<Content> {
  return spooled(bytes, chunkSize, 0, await temporaryDirectory());
}

async function spooled(
  bytes: Uint8Array,
  chunkSize: number,
  memoryLimit: number,
  directory: string,
): Promise<Content> {
  const spool = createSpool({ memoryLimit, directory });
  for (let at = 0; at < bytes.length; at += chunkSize) {
    await spool.write(bytes.subarray(at, at + chunkSize));
  }
  return spool.finish();
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes without a pattern, the same for the same seed. */
export function noise(length: number, seed: string): Buffer {
  const block = createHash('shake256', { outputLength: 65_536 }).update(seed).digest();
  const bytes = Buffer.alloc(length);
  for (let at = 0, part = 0; at < length; at += block.length, part++) {
    block.writeUInt32LE(part);
    block.copy(bytes, at);
  }
  return bytes;
}

export async function readAll(chunks: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  if (chunks === undefined) throw new Error('there is no such object');
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** What a promise is rejected with; fails where it is not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}
