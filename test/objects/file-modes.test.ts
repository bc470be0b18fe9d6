/** Who may read what a target `file://` holds, and who else may write there. */
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import {
  giveAway,
  inMemory,
  never,
  rejection,
  STRANGER,
  temporaryDirectory,
  thisProcess,
} from './contents.js';

const owner = { databaseId: 'b2c5e0b2-0000-4000-8000-000000000001' };
let restore: () => void = () => undefined;
afterEach(() => {
  restore();
});

async function targetAt(directory: string, mode?: number) {
  const settings = { kind: 'file', layout: 'message', directory } as const;
  const target = await openTarget(
    { ...settings, ...(mode !== undefined && { mode }) },
    thisProcess,
  );
  onTestFinished(() => target.close());
  return target;
}

/** The modes of all that lies below a directory, and its own. */
async function modesBelow(directory: string) {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const modes = { files: new Set<string>(), directories: new Set<string>() };
  const octal = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8);
  modes.directories.add(await octal(directory));
  for (const entry of names) {
    const kind = entry.isDirectory() ? 'directories' : 'files';
    modes[kind].add(await octal(join(entry.parentPath, entry.name)));
  }
  return { files: [...modes.files], directories: [...modes.directories] };
}

describe('the permissions of what is written', () => {
  it.each([
    [undefined, 0o000, '600', '700'],
    [undefined, 0o022, '600', '700'],
    [0o640, 0o077, '640', '750'],
    [0o644, 0o077, '644', '755'],
    [0o660, 0o022, '660', '770'],
  ])('with mode %o and umask %o are %s, of directories %s', async (mode, mask, files, folders) => {
    const before = process.umask(mask);
    restore = () => void process.umask(before);
    const parent = await temporaryDirectory();
    const directory = join(parent, 'new/export');
    const target = await targetAt(directory, mode);
    await target.claimPrefix(owner, never);
    const content = await inMemory(Buffer.from('x'));
    for (const key of ['messages/ab/cd/a.json', 'batches/job-000001/b.ndjson.gz'])
      await target.put(key, { content, contentType: 'application/json' }, never);
    const expected = { files: [files], directories: [folders] };
    expect(await modesBelow(join(parent, 'new'))).toEqual(expected);
  });

  it('leave a root that is there as it is, and the group that it hands down', async () => {
    const directory = await temporaryDirectory();
    await chmod(directory, 0o2755);
    const target = await targetAt(directory);
    await target.claimPrefix(owner, never);
    const content = await inMemory(Buffer.from('x'));
    await target.put('messages/a.json', { content, contentType: 'application/json' }, never);
    const { directories } = await modesBelow(directory);
    expect(directories.sort()).toEqual(['2700', '2755']);
  });
});

describe('a root that others may write to', () => {
  it('is refused where any user could replace what is there, and nothing is written', async () => {
    const directory = await temporaryDirectory();
    await chmod(directory, 0o777);
    const error = await rejection((await targetAt(directory)).claimPrefix(owner, never));
    if (!isMigrateError(error)) throw error;
    expect(error.kind).toBe('usage');
    expect(error.message).toBe(
      `The target directory ${directory} may be written by every user (its mode is 0777): any of them could replace what is stored there`,
    );
    expect(error.advice).toContain('chmod o-w');
    expect(await readdir(directory)).toEqual([]);
  });

  it.each([
    [0o700, []],
    [0o755, []],
    [0o1777, ['may be written by every user (its mode is 1777)']],
    [0o775, ['may be written by its group (its mode is 0775)']],
  ])('is warned of where they could add to it: mode %o', async (mode, expected) => {
    const directory = await temporaryDirectory();
    await chmod(directory, mode);
    const { cautions } = await (await targetAt(directory)).claimPrefix(owner, never);
    expect(cautions).toEqual(expected.map((what) => `the target directory ${directory} ${what}`));
  });

  it('is warned of where it belongs to another user, or lies where every user may rename it', async () => {
    const open = await temporaryDirectory();
    await chmod(open, 0o777);
    const directory = join(open, 'a/export');
    await mkdir(directory, { recursive: true });
    await giveAway(directory);
    const { cautions } = await (await targetAt(directory)).claimPrefix(owner, never);
    expect(cautions).toEqual([
      `the target directory ${directory} belongs to user ${STRANGER}, who can replace what is stored there`,
      `every user can exchange the target directory ${directory}: ${open} may be written by all, and is not sticky`,
    ]);
  });
});
