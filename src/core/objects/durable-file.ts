/** Files and directories that are still there, and whole, after a power cut. */
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault } from '../fault.js';
import { contentAsBuffer, contentChunks } from './content.js';
import { codeOf } from './file-faults.js';
import { HeldDirectory, setMode } from './held-directory.js';
import type { Content } from './target.js';

/**
 * Makes a new file with this content and these permissions, whatever the umask is, and waits until its bytes are on the disk.
 * Its name isn't yet: that takes `sync` of its directory.
 */
export async function writeNewFile(
  path: string,
  content: Content,
  signal: AbortSignal,
  mode: number,
): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await setMode(file, mode);
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

/**
 * Makes the directory that stands for the prefix, with its parents. Node's own `recursive` says ENOENT where the
 * disk is read-only (seen with Node 20).
 */
export async function makeRoot(directory: string, mode: number): Promise<void> {
  const missing = await makeOne(directory, mode);
  if (missing) {
    await makeRoot(dirname(directory), mode);
    await makeOne(directory, mode);
  }
  if (!(await stat(directory)).isDirectory()) {
    throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
  }
}

/** Makes one directory, if it isn't there, and its name durable. True where its parent is missing. */
async function makeOne(directory: string, mode: number): Promise<boolean> {
  try {
    if (!(await makeDirectory(directory, mode))) return false;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(directory) !== directory) return true;
    throw error;
  }
  const parent = await HeldDirectory.open(dirname(directory), true);
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
  return false;
}

/**
 * Makes one directory with these permissions, whatever the umask is; false where something of that name is there. Its name isn't
 * durable yet.
 */
export async function makeDirectory(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, mode);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  const made = await HeldDirectory.open(path, false);
  try {
    await made.setMode(mode);
  } finally {
    await made.close();
  }
  return true;
}
