/**
 * Gives a temporary file its name. An object is there whole or not at all, and nothing is replaced unseen.
 *
 * A file system has no condition that a rename could carry. What stands there is looked at again right before it: what
 * remains is the instant between the two.
 */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { link, lstat, rename, rm } from 'node:fs/promises';
import { Fault } from '../fault.js';
import { codeOf } from './file-faults.js';
import { openPlain } from './plain-file.js';
import type { Content } from './target.js';

/** No hard links here (FAT, some network file systems). */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);
/** So often is looked again when others write the same file at the same time. */
const mostRounds = 5;

/**
 * Moves `temporary` to `path`: where nothing is there, by a link that fails if something is. The same bytes stay; others
 * are replaced after `beforeReplacing`, unless they have changed meanwhile. The temporary file is gone afterwards.
 *
 * @throws Fault `retriable` where the file keeps changing; what `beforeReplacing` throws, with nothing replaced
 */
export async function placeFile(
  temporary: string,
  path: string,
  content: Content,
  beforeReplacing: (() => Promise<void>) | undefined,
): Promise<void> {
  for (let round = 0; round < mostRounds; round += 1) {
    const outcome = await linkFile(temporary, path);
    if (outcome === 'linked') return;
    const found = await look(path);
    if (found === undefined && outcome === 'taken') continue;
    if (found && (await isSame(path, found, content))) return rm(temporary, { force: true });
    if (found) await beforeReplacing?.();
    if (isUnchanged(found, await look(path))) return rename(temporary, path);
  }
  const message = `${path} changed each of the ${mostRounds} times it was looked at`;
  throw new Fault('the target directory', 'retriable', 'FileChanged', message);
}

/** Moves `temporary` to `path` if nothing is there; else it stays. */
export async function linkFile(
  temporary: string,
  path: string,
): Promise<'linked' | 'taken' | 'no links here'> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code === 'EEXIST') return 'taken';
    if (noLinks.has(code)) return 'no links here';
    throw error;
  }
  await rm(temporary, { force: true });
  return 'linked';
}

async function look(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A link to the same bytes is not the object: it may point elsewhere tomorrow. */
async function isSame(path: string, found: BigIntStats, content: Content): Promise<boolean> {
  if (!found.isFile() || found.size !== BigInt(content.bytes)) return false;
  const file = await openPlain(path);
  if (!file) return false;
  const hash = createHash('sha256');
  for await (const chunk of file.createReadStream()) hash.update(chunk as Buffer);
  return hash.digest().equals(content.sha256);
}

function isUnchanged(before: BigIntStats | undefined, now: BigIntStats | undefined): boolean {
  if (before === undefined || now === undefined) return before === now;
  return before.ino === now.ino && before.size === now.size && before.mtimeNs === now.mtimeNs;
}
