import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { codeOf } from './file-faults.js';

/** What opening a link, or a socket, says. */
const NOT_PLAIN = new Set(['ELOOP', 'EMLINK', 'ENXIO']);

/**
 * Opens a file to read it. A link is not followed, and a pipe not waited for: undefined where anything but a plain file stands
 * there.
 * @throws what the system says, such as ENOENT or EACCES
 */
export async function openPlain(path: string): Promise<FileHandle | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: FileHandle;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (NOT_PLAIN.has(codeOf(error) ?? '')) return undefined;
    throw error;
  }
  const found = await file.stat();
  if (found.isFile()) return file;
  await file.close();
  return undefined;
}

/**
 * A small file as text; undefined where it has more than `most` bytes, or is no plain file.
 * @throws as {@link openPlain}
 */
export async function readPlain(path: string, most: number): Promise<string | undefined> {
  const file = await openPlain(path);
  if (!file) return undefined;
  try {
    const bytes = Buffer.alloc(most + 1);
    const { bytesRead } = await file.read(bytes, 0, most + 1, 0);
    return bytesRead > most ? undefined : bytes.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
