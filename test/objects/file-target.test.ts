import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isMigrateError, type MigrateError } from '../../src/core/errors.js';
import { isFault } from '../../src/core/fault.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import type { ObjectBody, Target } from '../../src/core/objects/target.js';
import { inMemory, never, noise, rejection, temporaryDirectory } from './contents.js';
import { mountDisk } from './disk.js';
import { targetContract } from './target-contract.js';

const owner = { databaseId: randomUUID() };

function openAt(directory: string): Promise<Target> {
  return openTarget({ kind: 'file', layout: 'message', directory });
}

async function body(bytes: Uint8Array): Promise<ObjectBody> {
  return { content: await inMemory(bytes), contentType: 'application/json' };
}

async function usageError(promise: Promise<unknown>): Promise<MigrateError> {
  const error = await rejection(promise);
  if (!isMigrateError(error)) throw error;
  expect(error.kind).toBe('usage');
  return error;
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe('a directory as target', () => {
  targetContract(async () => {
    const directory = join(await temporaryDirectory(), 'export');
    return {
      style: 'file',
      open: () => openAt(directory),
      leftovers: async () =>
        (await filesBelow(directory)).filter((name) => name.startsWith('.tmp-')),
    };
  });

  it('is made with its parents when it is claimed, and holds the marker alone', async () => {
    const directory = join(await temporaryDirectory(), 'a', 'b');
    await (await openAt(directory)).claimPrefix(owner, never);
    expect(await readdir(directory)).toEqual(['_es-migrate.json']);
  });

  it('replaces the file instead of writing into it', async () => {
    const directory = await temporaryDirectory();
    const target = await openAt(directory);
    const { url } = await target.put('messages/a.json', await body(Buffer.from('old')), never);
    const path = fileURLToPath(url);
    const other = join(directory, 'other-name');
    await link(path, other);
    await target.put('messages/a.json', await body(Buffer.from('new')), never);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readFile(other, 'utf8')).toBe('old');
  });

  it('names its objects by URLs that survive blanks, % and #', async () => {
    const directory = join(await temporaryDirectory(), 'a b%20#c');
    const target = await openAt(directory);
    const key = 'messages/x%2Fy.json';
    const { url } = await target.put(key, await body(Buffer.from('x')), never);
    expect(url).toMatch(/^file:\/\/\/.*a%20b%2520%23c\/messages\/x%252Fy\.json$/);
    expect(fileURLToPath(url)).toBe(join(directory, key));
  });

  it('can go on after a directory was removed under it', async () => {
    const directory = await temporaryDirectory();
    const target = await openAt(directory);
    await target.put('messages/a.json', await body(Buffer.from('1')), never);
    await rm(join(directory, 'messages'), { recursive: true });
    const error = await rejection(
      target.put('messages/a.json', await body(Buffer.from('2')), never),
    );
    expect(isFault(error) && error.class).toBe('retriable');
    await target.put('messages/a.json', await body(Buffer.from('2')), never);
    expect(await readFile(join(directory, 'messages/a.json'), 'utf8')).toBe('2');
  });

  it('is refused where it is a file, or lies below one', async () => {
    const file = join(await temporaryDirectory(), 'file');
    await writeFile(file, '');
    for (const directory of [file, join(file, 'below')]) {
      const error = await usageError((await openAt(directory)).claimPrefix(owner, never));
      expect(error.message).toBe(`The target directory ${directory} is not a directory`);
      expect(error.advice).toContain('target.url');
    }
    expect((await stat(file)).size).toBe(0);
  });

  it('is refused where it is a link to nothing', async () => {
    const directory = join(await temporaryDirectory(), 'link');
    await symlink('/nonexistent/nowhere', directory);
    const error = await usageError((await openAt(directory)).claimPrefix(owner, never));
    expect(error.message).toContain(directory);
  });

  it('is refused on a read-only disk, also below its root', async () => {
    const disk = await mountDisk({ kilobytes: 64, readOnly: true });
    onTestFinished(() => disk.unmount());
    for (const directory of [disk.path, join(disk.path, 'export')]) {
      const error = await usageError((await openAt(directory)).claimPrefix(owner, never));
      expect(error.message).toBe(`The target directory ${directory} is on a read-only file system`);
    }
  });

  it('is refused on a full disk, claimed before or not', async () => {
    const disk = await mountDisk({ kilobytes: 64 });
    onTestFinished(() => disk.unmount());
    const claimed = join(disk.path, 'claimed');
    await (await openAt(claimed)).claimPrefix(owner, never);
    const fresh = join(disk.path, 'fresh');
    await mkdir(fresh);
    await rejection(writeFile(join(disk.path, 'filler'), noise(100_000, 'filler')));
    for (const directory of [fresh, claimed]) {
      const error = await usageError((await openAt(directory)).claimPrefix(owner, never));
      expect(error.message).toBe(`The target directory ${directory} is on a full disk`);
    }
    expect(await readdir(fresh)).toEqual([]);
    expect(await readdir(claimed)).toEqual(['_es-migrate.json']);
  });

  it('that fills up later stops the run and keeps what it had', async () => {
    const disk = await mountDisk({ kilobytes: 64 });
    onTestFinished(() => disk.unmount());
    const target = await openAt(disk.path);
    await target.claimPrefix(owner, never);
    const { url } = await target.put('messages/a.json', await body(Buffer.from('old')), never);
    const large = await body(noise(200_000, 'large'));
    const error = await rejection(target.put('messages/a.json', large, never));
    expect(isMigrateError(error) && error.kind).toBe('unavailable');
    expect(String(error)).toContain(`The target directory ${disk.path} is full`);
    const path = fileURLToPath(url);
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(dirname(path))).toEqual(['a.json']);
  });

  it('refuses to read from a bucket', async () => {
    const target = await openAt(await temporaryDirectory());
    const error = await usageError(target.get('s3://bucket/messages/a.json', never));
    expect(error.message).toContain('s3://bucket/messages/a.json');
  });
});
