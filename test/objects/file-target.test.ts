import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import {
  link,
  lstat,
  mkdir,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isMigrateError, type MigrateError } from '../../src/core/errors.js';
import { isFault } from '../../src/core/fault.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import type { ObjectBody, Target } from '../../src/core/objects/target.js';
import {
  deadPid,
  inMemory,
  never,
  noise,
  rejection,
  temporaryDirectory,
  thisProcess,
} from './contents.js';
import { mountDisk } from './disk.js';
import { targetContract } from './target-contract.js';

const owner = { databaseId: randomUUID() };

async function openAt(directory: string): Promise<Target> {
  const target = await openTarget({ kind: 'file', layout: 'message', directory }, thisProcess);
  onTestFinished(() => target.close());
  return target;
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
      directory,
      leftovers: () => readdir(join(directory, '.tmp-es-migrate')),
    };
  });

  it('is made with its parents when it is claimed, and holds the marker alone', async () => {
    const directory = join(await temporaryDirectory(), 'a', 'b');
    await (await openAt(directory)).claimPrefix(owner, never);
    expect(await readdir(directory)).toEqual(['.tmp-es-migrate', '_es-migrate.json']);
    expect(await readdir(join(directory, '.tmp-es-migrate'))).toEqual([]);
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
    expect(await filesBelow(fresh)).toEqual([]);
    expect(await filesBelow(claimed)).toEqual(['_es-migrate.json']);
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
    expect(await filesBelow(disk.path)).toEqual(['_es-migrate.json', 'a.json']);
  });

  it('refuses to read from a bucket', async () => {
    const target = await openAt(await temporaryDirectory());
    const error = await usageError(target.get('s3://bucket/messages/a.json', never));
    expect(error.message).toContain('s3://bucket/messages/a.json');
  });

  it('leaves the very file where the same bytes are there already', async () => {
    const directory = await temporaryDirectory();
    const target = await openAt(directory);
    const { url } = await target.put('messages/a.json', await body(Buffer.from('x')), never);
    const before = await stat(fileURLToPath(url));
    await target.put('messages/a.json', await body(Buffer.from('x')), never);
    const { ino, mtimeMs } = await stat(fileURLToPath(url));
    expect([ino, mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  });

  it('replaces a link, also one to the same bytes, and not what it points at', async () => {
    const directory = await temporaryDirectory();
    const target = await openAt(directory);
    const elsewhere = join(await temporaryDirectory(), 'elsewhere');
    await writeFile(elsewhere, 'same');
    await mkdir(join(directory, 'messages'));
    const path = join(directory, 'messages/a.json');
    for (const text of ['same', 'other']) {
      await rm(path, { force: true });
      await symlink(elsewhere, path);
      let asked = 0;
      const ask = () => Promise.resolve(void (asked += 1));
      await target.put('messages/a.json', await body(Buffer.from(text)), never, ask);
      expect(asked).toBe(1);
      expect((await lstat(path)).isFile()).toBe(true);
      expect(await readFile(elsewhere, 'utf8')).toBe('same');
    }
  });

  it('lists links and pipes as they are, and follows none', async () => {
    const directory = await temporaryDirectory();
    const elsewhere = await temporaryDirectory();
    await writeFile(join(elsewhere, 'secret'), 'x'.repeat(1000));
    await symlink(elsewhere, join(directory, 'a-directory'));
    await symlink(join(elsewhere, 'secret'), join(directory, 'b-file'));
    await symlink('/nonexistent', join(directory, 'c-nowhere'));
    await writeFile(join(directory, 'd-file'), 'x');
    const { objects, last } = await (await openAt(directory)).list(undefined, never);
    expect(last).toBe(true);
    expect(objects.map(({ key, bytes }) => [key, bytes])).toEqual([
      ['a-directory', Buffer.byteLength(elsewhere)],
      ['b-file', Buffer.byteLength(join(elsewhere, 'secret'))],
      ['c-nowhere', Buffer.byteLength('/nonexistent')],
      ['d-file', 1],
    ]);
  });

  it('lists a file whose name is no text', async () => {
    const directory = await temporaryDirectory();
    await writeFile(Buffer.concat([Buffer.from(`${directory}/a`), Buffer.from([0xff])]), 'x');
    const { objects } = await (await openAt(directory)).list(undefined, never);
    expect(objects.map(({ key }) => key)).toEqual(['a\uFFFD']);
  });

  it('has no object where a directory stands, or below a file', async () => {
    const directory = await temporaryDirectory();
    const target = await openAt(directory);
    await target.put('messages/a.json', await body(Buffer.from('x')), never);
    for (const key of ['messages', 'messages/a.json/b']) {
      expect(await target.get(target.urlOf(key), never)).toBeUndefined();
      expect(await target.stat(target.urlOf(key), never)).toBeUndefined();
    }
  });

  it('knows its keys also at the root of a file system', async () => {
    const target = await openAt('/');
    const key = 'nowhere/messages/a.json';
    expect(target.urlOf(key)).toBe(`file:///${key}`);
    expect(target.keyOf(target.urlOf(key))).toBe(key);
    expect(await target.get(target.urlOf(key), never)).toBeUndefined();
  });

  it.each(['../outside', 'messages/../../outside', 'messages/./a', '/etc/x', '', 'a//b', 'a\0b'])(
    'takes no key like %j',
    async (key) => {
      const parent = await temporaryDirectory();
      await writeFile(join(parent, 'outside'), 'x');
      const target = await openAt(join(parent, 'export'));
      const content = await body(Buffer.from('y'));
      for (const request of [
        () => target.put(key, content, never),
        () => target.delete([key], never),
      ]) {
        const error = await rejection(request());
        expect(isFault(error) && error.class).toBe('request');
      }
      expect(await readFile(join(parent, 'outside'), 'utf8')).toBe('x');
    },
  );

  it.each(['file://host/x', 'file:///a%2Fb', 'nonsense'])('cannot read %s', async (url) => {
    const target = await openAt(await temporaryDirectory());
    for (const request of [() => target.get(url, never), () => target.stat(url, never)]) {
      expect((await usageError(request())).message).toContain(url);
    }
  });
});

describe('the temporary files of a directory', () => {
  const place = async () => {
    const directory = await temporaryDirectory();
    const temporary = join(directory, '.tmp-es-migrate');
    await mkdir(temporary);
    /** As a process leaves it that is killed in the middle of a `put`. */
    const leave = async (host: string, pid: number, start = '0') => {
      const name = `${host}-${pid}-0-0-${start}-0123456789abcdef`;
      await writeFile(join(temporary, name), 'half of');
      return name;
    };
    return { directory, temporary, leave, target: await openAt(directory) };
  };

  it('are gone at the next start where their process is', async () => {
    const { temporary, leave, target } = await place();
    await leave(thisProcess.hostname, await deadPid());
    // The process id came back, to another process: this one.
    await leave(thisProcess.hostname, process.pid, '0123456789ab');
    await target.claimPrefix(owner, never);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('stay where their process lives, or may live on another host', async () => {
    const { temporary, leave, target } = await place();
    const kept = [
      await leave(thisProcess.hostname, process.pid),
      await leave('host-b', await deadPid()),
    ];
    await target.claimPrefix(owner, never);
    expect(await readdir(temporary)).toEqual(kept.sort());
  });

  it('carry the name of their process while they are written', async () => {
    const { temporary, target } = await place();
    const content = await inMemory(noise(3_000_000, 'name'), 1_000_000);
    if (content.kind !== 'memory') throw new Error('expected memory');
    let seen: string[] = [];
    const chunks = new Proxy(content.chunks, {
      get: (all, name) => {
        if (name === '1') seen = readdirSync(temporary);
        return Reflect.get(all, name) as unknown;
      },
    });
    const object = { content: { ...content, chunks }, contentType: 'application/json' } as const;
    await target.put('messages/a.json', object, never);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatch(
      new RegExp(`^host-a\\.example-${process.pid}-[0-9a-f]{8}-[0-9]+-[0-9a-f]+-[0-9a-f]{16}$`),
    );
    expect(await readdir(temporary)).toEqual([]);
  });

  it('are unfinished uploads, unless a process of this host is writing them', async () => {
    const { temporary, leave, target } = await place();
    const alive = await leave(thisProcess.hostname, process.pid);
    const dead = await leave(thisProcess.hostname, await deadPid());
    const elsewhere = await leave('host-b', 1);
    const found = await target.unfinished(never);
    expect(found?.map(({ key, id }) => [key, id]).sort()).toEqual(
      [dead, elsewhere].sort().map((name) => ['', name]),
    );
    for (const upload of found ?? []) {
      expect(upload.begunAt).toBe((await stat(join(temporary, upload.id))).mtimeMs);
      await target.abandon(upload, never);
    }
    expect(await readdir(temporary)).toEqual([alive]);
  });

  it('are listed neither; what else lies there is, and stays', async () => {
    const { directory, temporary, leave, target } = await place();
    await leave('host-b', 1);
    await writeFile(join(temporary, 'notes.txt'), 'x');
    await writeFile(join(directory, 'outside-1-0-0-0-0123456789abcdef'), 'x');
    const { objects } = await target.list(undefined, never);
    expect(objects.map(({ key }) => key)).toEqual([
      '.tmp-es-migrate/notes.txt',
      'outside-1-0-0-0-0123456789abcdef',
    ]);
    expect(await target.unfinished(never)).toHaveLength(1);
    for (const id of ['notes.txt', '../outside-1-0-0-0-0123456789abcdef', '../_es-migrate.json']) {
      await target.abandon({ key: '', id }, never);
    }
    expect((await target.list(undefined, never)).objects).toEqual(objects);
  });
});
