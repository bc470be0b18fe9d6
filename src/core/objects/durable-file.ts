/** Files and directories that are still there, and whole, after a power cut. */
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault } from '../fault.js';
import { contentAsBuffer, contentChunks } from './content.js';
import { codeOf } from './file-faults.js';
import type { Content } from './target.js';

/**
 * Makes a new file with this content and waits until its bytes are on the disk. Its name isn't yet: see
 * {@link syncDirectory}.
 */
export async function writeNewFile(
  path: string,
  content: Content,
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    // Many small chunks would be as many system calls.
    const whole = content.kind === 'memory' && content.bytes <= 1024 * 1024;
    if (whole) await file.writeFile(await contentAsBuffer(content));
    else await writeFile(file, stoppable(contentChunks(content), signal));
    await file.sync();
    const { size } = await file.stat();
    if (size !== content.bytes) {
      const message = `${path} has ${size} bytes after ${content.bytes} were written`;
      throw new Fault('the target directory', 'retriable', 'ShortWrite', message);
    }
  } finally {
    await file.close();
  }
}

/**
 * Ends the chunks with the signal. One that is asked needs no listener: thousands of objects may share it.
 */
export async function* stoppable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    yield chunk;
  }
}

/** Waits until the names in a directory are on the disk. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a directory; the file itself is durable.
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Makes the directory that stands for the prefix, with its parents. Node's own `recursive` says ENOENT where the
 * disk is read-only (seen with Node 20).
 */
export async function makeRoot(directory: string): Promise<void> {
  const missing = await makeOne(directory);
  if (missing) {
    await makeRoot(dirname(directory));
    await makeOne(directory);
  }
  if (!(await stat(directory)).isDirectory()) {
    throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
  }
}

/** Makes one directory, if it isn't there, and its name durable. True where its parent is missing. */
async function makeOne(directory: string): Promise<boolean> {
  try {
    await mkdir(directory);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' && dirname(directory) !== directory) return true;
    if (code === 'EEXIST') return false;
    throw error;
  }
  await syncDirectory(dirname(directory));
  return false;
}
