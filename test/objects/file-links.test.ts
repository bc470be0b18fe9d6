/** Links and directories of others below the root of a target `file://`. */
import { execFile } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  rename,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import { requirePrefix } from '../../src/core/objects/require-prefix.js';
import type { ObjectBody, Target } from '../../src/core/objects/target.js';
import {
  deadPid,
  giveAway,
  inMemory,
  never,
  noise,
  readAll,
  rejection,
  STRANGER,
  temporaryDirectory,
  thisProcess,
} from './contents.js';

const owner = { databaseId: 'b2c5e0b2-0000-4000-8000-000000000000' };
const key = 'messages/ab/cd/a.json';

async function body(bytes: Uint8Array | string, chunkSize?: number): Promise<ObjectBody> {
  return {
    content: await inMemory(Buffer.from(bytes), chunkSize),
    contentType: 'application/json',
  };
}

/** A target, and a directory that is not its business, with a file that looks as if it was. */
async function place({ mode }: { mode?: number } = {}) {
  const directory = await temporaryDirectory();
  const outside = await temporaryDirectory();
  await mkdir(join(outside, 'ab/cd'), { recursive: true });
  await writeFile(join(outside, 'ab/cd/a.json'), 'precious');
  const settings = { kind: 'file', layout: 'message', directory } as const;
  const target = await openTarget(
    { ...settings, ...(mode !== undefined && { mode }) },
    thisProcess,
  );
  onTestFinished(() => target.close());
  return { directory, outside, target };
}

/** Every file below a directory, links as links. */
async function contentsOf(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort();
}

async function refused(promise: Promise<unknown>, link: string): Promise<void> {
  const error = await rejection(promise);
  if (!isMigrateError(error)) throw error;
  expect(error.kind).toBe('usage');
  expect(error.message).toBe(
    `${link} is a symbolic link: es-migrate follows none below target.url`,
  );
  expect(error.advice).toContain('target.url');
}

const operations: [string, (target: Target) => Promise<unknown>][] = [
  ['put', async (target) => target.put(key, await body('x'), never)],
  ['get', (target) => target.get(target.urlOf(key), never)],
  ['stat', (target) => target.stat(target.urlOf(key), never)],
  ['delete', (target) => target.delete([key], never)],
];

describe('a directory that is a link', () => {
  it.each(operations)('is not followed by %s, wherever it stands on the way', async (_, use) => {
    for (const linked of ['messages', 'messages/ab', 'messages/ab/cd']) {
      const { directory, outside, target } = await place();
      const before = await contentsOf(outside);
      const link = join(directory, linked);
      await mkdir(join(link, '..'), { recursive: true });
      await symlink(join(outside, linked.slice('messages'.length)), link);
      await refused(use(target), link);
      expect(await contentsOf(outside)).toEqual(before);
      expect(await readFile(join(outside, 'ab/cd/a.json'), 'utf8')).toBe('precious');
    }
  });

  it('is not followed where temporary files would lie: nothing is written or removed there', async () => {
    const { directory, outside, target } = await place();
    const leftover = `${thisProcess.hostname}-${await deadPid()}-0-0-0-0123456789abcdef`;
    await writeFile(join(outside, leftover), 'theirs');
    const before = await contentsOf(outside);
    const link = join(directory, '.tmp-es-migrate');
    await symlink(outside, link);
    await refused(target.claimPrefix(owner, never), link);
    await refused(target.put(key, await body('x'), never), link);
    await refused(target.unfinished(never), link);
    await refused(target.abandon({ key: '', id: leftover }, never), link);
    expect(await contentsOf(outside)).toEqual(before);
    expect(await contentsOf(directory)).not.toContain('_es-migrate.json');
  });

  it('is not followed when it takes a directory’s place while an object is being written', async () => {
    const { directory, outside, target } = await place();
    await target.put(key, await body('old'), never);
    const before = await contentsOf(outside);
    const content = await inMemory(noise(3_000_000, 'swap'), 1_000_000);
    if (content.kind !== 'memory') throw new Error('expected memory');
    const swapped = new Proxy(content.chunks, {
      get: (all, name) => {
        // The directories were made and looked at: this is the attack.
        if (name === '1') swap ??= exchange(join(directory, 'messages'), outside);
        return Reflect.get(all, name) as unknown;
      },
    });
    let swap: Promise<void> | undefined;
    const object = { content: { ...content, chunks: swapped }, contentType: 'application/json' };
    await refused(target.put(key, object as ObjectBody, never), join(directory, 'messages'));
    await swap;
    expect(await contentsOf(outside)).toEqual(before);
    expect(await readFile(join(outside, 'ab/cd/a.json'), 'utf8')).toBe('precious');
    expect(await readdir(join(directory, '.tmp-es-migrate'))).toEqual([]);
  });

  it('is not followed when it takes a directory’s place right before an object is replaced', async () => {
    const { directory, outside, target } = await place();
    await target.put(key, await body('old'), never);
    const swap = () => exchange(join(directory, 'messages'), outside);
    await target.put(key, await body('new'), never, swap);
    expect(await readFile(join(outside, 'ab/cd/a.json'), 'utf8')).toBe('precious');
    const moved = join(directory, 'messages.moved/ab/cd/a.json');
    expect(await readFile(moved, 'utf8')).toBe('new');
  });
});

async function exchange(path: string, elsewhere: string): Promise<void> {
  await rename(path, `${path}.moved`);
  await symlink(elsewhere, path);
}

describe('a file that is a link', () => {
  it('is no object, and removing it leaves what it points to', async () => {
    const { directory, outside, target } = await place();
    await mkdir(join(directory, 'messages/ab/cd'), { recursive: true });
    await symlink(join(outside, 'ab/cd/a.json'), join(directory, key));
    expect(await target.get(target.urlOf(key), never)).toBeUndefined();
    expect(await target.stat(target.urlOf(key), never)).toBeUndefined();
    await target.delete([key], never);
    expect(await readdir(join(directory, 'messages/ab/cd'))).toEqual([]);
    expect(await readFile(join(outside, 'ab/cd/a.json'), 'utf8')).toBe('precious');
  });

  it('is no marker, and stays', async () => {
    const { directory, outside, target } = await place();
    const marker = join(directory, '_es-migrate.json');
    await symlink(join(outside, 'ab/cd/a.json'), marker);
    const error = await rejection(target.claimPrefix(owner, never));
    expect(isMigrateError(error) && error.message).toContain('is not a marker of es-migrate');
    expect((await lstat(marker)).isSymbolicLink()).toBe(true);
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['a pipe', (path) => promisify(execFile)('mkfifo', [path])],
    ['a directory', (path) => mkdir(path)],
    ['a file without an end', (path) => writeFile(path, '').then(() => truncate(path, 1 << 40))],
  ])(
    'is no marker where it is %s: it is neither waited for nor read into memory',
    async (_, make) => {
      const { directory, target } = await place();
      await make(join(directory, '_es-migrate.json'));
      const claiming = await rejection(target.claimPrefix(owner, never));
      expect(isMigrateError(claiming) && claiming.message).toContain(
        'is not a marker of es-migrate',
      );
      const requiring = await rejection(requirePrefix(target, owner, never));
      expect(isMigrateError(requiring) && requiring.message).toMatch(
        /is not a marker of es-migrate|there is no _es-migrate.json/,
      );
    },
  );

  it('is no temporary file of ours, whatever its name: neither the next start nor verify removes it', async () => {
    const { directory, outside, target } = await place();
    const temporary = join(directory, '.tmp-es-migrate');
    await mkdir(join(temporary), { recursive: true });
    const name = `${thisProcess.hostname}-${await deadPid()}-0-0-0-0123456789abcdef`;
    await symlink(join(outside, 'ab/cd/a.json'), join(temporary, name));
    await target.claimPrefix(owner, never);
    await target.abandon({ key: '', id: name }, never);
    expect(await readdir(temporary)).toEqual([name]);
  });
});

describe('a root that is a link', () => {
  it('is followed: it is what the user named', async () => {
    const real = await temporaryDirectory();
    const link = join(await temporaryDirectory(), 'export');
    await symlink(real, link);
    const settings = { kind: 'file', layout: 'message', directory: link } as const;
    const target = await openTarget(settings, thisProcess);
    onTestFinished(() => target.close());
    await target.claimPrefix(owner, never);
    const { url } = await target.put(key, await body('x'), never);
    expect(url).toBe(pathToFileURL(join(link, key)).href);
    expect((await readAll(await target.get(url, never))).toString()).toBe('x');
    expect(await readFile(join(real, key), 'utf8')).toBe('x');
  });
});

describe('a directory of another user', () => {
  it.each(['messages', 'messages/ab', '.tmp-es-migrate'])(
    'is not written to where the root is not theirs: %s',
    async (planted) => {
      const { directory, target } = await place();
      const theirs = join(directory, planted);
      await mkdir(theirs, { recursive: true });
      await giveAway(theirs);
      const error = await rejection(target.put(key, await body('x'), never));
      expect(isMigrateError(error) && error.message).toBe(
        `${theirs} belongs to user ${STRANGER}, who could replace what is stored there; es-migrate is run by user ${thisProcess.uid ?? ''}`,
      );
      expect(await contentsOf(theirs)).toEqual([]);
    },
  );

  it('is as good as ours where the root is theirs, or where a group writes together', async () => {
    const [shared, asRoot] = [await place({ mode: 0o660 }), await place()];
    for (const { directory, target } of [shared, asRoot]) {
      await mkdir(join(directory, 'messages'));
      await giveAway(join(directory, 'messages'));
      if (target === asRoot.target) await giveAway(directory);
      const { url } = await target.put(key, await body('x'), never);
      expect((await readAll(await target.get(url, never))).toString()).toBe('x');
    }
  });
});

describe('reading outside of the target', () => {
  it('is refused, however the URL is spelled, unless it is asked for', async () => {
    const { directory, outside, target } = await place();
    const file = join(outside, 'ab/cd/a.json');
    const spelled = [
      pathToFileURL(file).href,
      'file:///etc/passwd',
      `${pathToFileURL(directory).href}/../../../../../..${file}`,
      `${pathToFileURL(directory).href}/%2e%2e/%2e%2e/%2e%2e/%2e%2e${file}`,
      `${pathToFileURL(directory).href}-other/a.json`,
      pathToFileURL(directory).href,
    ];
    await chmod(file, 0o644);
    for (const url of spelled) {
      for (const request of [() => target.get(url, never), () => target.stat(url, never)]) {
        const error = await rejection(request());
        if (!isMigrateError(error)) throw error;
        expect([error.kind, error.message.includes(url)]).toEqual(['usage', true]);
        expect(error.advice).toContain('--anywhere');
      }
    }
    const url = spelled[0] ?? '';
    const anywhere = await target.get(url, never, undefined, { anywhere: true });
    expect((await readAll(anywhere)).toString()).toBe('precious');
  });
});
