/** Directories below the root of a target `file://` that are there already, and whose they are. */
import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import type { ObjectBody } from '../../src/core/objects/target.js';
import {
  giveAway,
  inMemory,
  never,
  readAll,
  rejection,
  STRANGER,
  temporaryDirectory,
  thisProcess,
} from './contents.js';

const owner = { databaseId: 'b2c5e0b2-0000-4000-8000-000000000002' };
const key = 'messages/ab/cd/a.json';
const ours = thisProcess.uid ?? 0;
/** Neither ours nor the one that files are mapped to. */
const OWNER_OF_ROOT = 2001;

const OPEN_TARGET = new URL('../../dist/src/core/objects/open-target.js', import.meta.url).href;
/** Claims as another user, and prints what that is refused with. */
const CLAIM = `
  const { openTarget } = await import(process.env.MODULE);
  const uid = Number(process.env.USER_ID);
  const settings = { kind: 'file', layout: 'message', directory: process.env.DIRECTORY };
  const host = { hostname: 'host-a.example', pid: process.pid, isAlive: () => true, uid };
  const target = await openTarget(settings, host);
  process.setgid(uid);
  process.setuid(uid);
  const claim = target.claimPrefix({ databaseId: 'x' }, new AbortController().signal);
  await claim.catch(({ message, advice }) => console.log(message + '\\n' + advice));
`;

async function body(text: string): Promise<ObjectBody> {
  return { content: await inMemory(Buffer.from(text)), contentType: 'application/json' };
}

async function targetAt(directory: string, layout: 'message' | 'batch' = 'message') {
  const target = await openTarget({ kind: 'file', layout, directory }, thisProcess);
  onTestFinished(() => target.close());
  return target;
}

async function refusal(promise: Promise<unknown>) {
  const error = await rejection(promise);
  if (!isMigrateError(error)) throw error;
  expect(error.kind).toBe('usage');
  expect(`${error.message}${error.advice ?? ''}`).not.toMatch(/\n|remove/);
  return error;
}

/** A directory that other users get to; what tests have is theirs alone. */
async function reachableDirectory(): Promise<string> {
  const directory = await mkdtemp('/var/tmp/es-migrate-test-');
  onTestFinished(() => rm(directory, { recursive: true }));
  await chmod(directory, 0o755);
  return directory;
}

/** Does something as another user: what is made meanwhile belongs to that one. */
async function asUser(uid: number, what: () => Promise<void>): Promise<void> {
  if (!process.seteuid || !process.setegid) throw new Error('There are no users on this platform.');
  const [user, group] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  process.setegid(uid);
  process.seteuid(uid);
  try {
    await what();
  } finally {
    process.seteuid(user);
    process.setegid(group);
  }
}

/** As on NFS with root_squash: root makes what is `nobody`'s, in a directory of a third user that lets `nobody` write. */
async function squashedPlace(): Promise<string> {
  const directory = await reachableDirectory();
  await chown(directory, OWNER_OF_ROOT, STRANGER);
  await chmod(directory, 0o770);
  return directory;
}

describe('a file system that gives what this user makes to another one', () => {
  it('is recognised by what is made there, with one warning', async () => {
    const directory = await squashedPlace();
    await asUser(STRANGER, async () => {
      for (let time = 1; time <= 2; time += 1) {
        const target = await targetAt(directory);
        const { cautions } = await target.claimPrefix(owner, never);
        expect(cautions?.filter((one) => one.includes(`user ${STRANGER}`))).toEqual([
          `the file system of ${directory} gives what this user makes to user ${STRANGER}, as NFS does with root_squash: directories of that user are used as this user's own`,
        ]);
        const { url } = await target.put(key, await body('x'), never);
        expect((await readAll(await target.get(url, never))).toString()).toBe('x');
      }
    });
    expect((await lstat(join(directory, 'messages'))).uid).toBe(STRANGER);
    expect(await readdir(join(directory, '.tmp-es-migrate'))).toEqual([]);
  });

  it('is recognised by a process that does not claim, such as a worker or verify --repair', async () => {
    const directory = await squashedPlace();
    const keys = [key, 'messages/ab/ce/b.json', 'messages/ac/cd/c.json'];
    await asUser(STRANGER, async () => {
      const target = await targetAt(directory);
      await Promise.all(keys.map(async (one) => target.put(one, await body(one), never)));
      const { objects } = await target.list(undefined, never);
      expect(objects.map((one) => one.key)).toEqual(keys);
    });
    expect(await readdir(join(directory, '.tmp-es-migrate'))).toEqual([]);
  });

  it('does not make the directories of yet another user ours', async () => {
    const directory = await squashedPlace();
    const theirs = join(directory, 'messages');
    await mkdir(theirs);
    await chown(theirs, 2002, STRANGER);
    await chmod(theirs, 0o770);
    await asUser(STRANGER, async () => {
      const target = await targetAt(directory);
      for (const attempt of [
        target.claimPrefix(owner, never),
        target.put(key, await body('x'), never),
      ])
        expect((await refusal(attempt)).message).toContain(`${theirs} belongs to user 2002`);
    });
    expect(await readdir(theirs)).toEqual([]);
  });
});

describe('a directory that put would refuse', () => {
  it.each([
    ['message', 'messages'],
    ['batch', 'batches'],
    ['batch', '_index'],
  ] as const)(
    'is refused by the claim already, and nothing is written: %s, %s',
    async (layout, name) => {
      const directory = await temporaryDirectory();
      const theirs = join(directory, name);
      await mkdir(theirs);
      await writeFile(join(theirs, 'delivered'), 'precious');
      await giveAway(theirs);
      const claim = (await targetAt(directory, layout)).claimPrefix(owner, never);
      const { message, advice } = await refusal(claim);
      expect(message).toBe(
        `${theirs} belongs to user ${STRANGER}, who could replace what is stored there; es-migrate is run by user ${ours}`,
      );
      expect(advice).toContain(`chown -R ${ours} ${theirs}`);
      expect(await readdir(directory, { recursive: true })).toEqual([name, `${name}/delivered`]);
    },
  );

  it('does not matter where the layout has no use for it', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'batches'));
    await giveAway(join(directory, 'batches'));
    const { cautions } = await (await targetAt(directory)).claimPrefix(owner, never);
    expect(cautions).toEqual([]);
  });

  it('is refused where it is a file', async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'messages');
    await writeFile(path, 'precious');
    const file = await refusal((await targetAt(directory)).claimPrefix(owner, never));
    expect(file.message).toBe(`${path} is not a directory`);
  });

  it.each([0o700, 0o755])('is refused where this user may not write: mode %o', async (mode) => {
    const directory = await reachableDirectory();
    const path = join(directory, 'messages');
    await mkdir(path);
    await chmod(path, mode);
    await giveAway(directory);
    // A process of its own: what a user may do is asked of the real user.
    const child = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', CLAIM],
      {
        env: { ...process.env, MODULE: OPEN_TARGET, DIRECTORY: directory, USER_ID: `${STRANGER}` },
      },
    );
    expect(child.stdout).toBe(
      `${path} belongs to user ${ours}, and user ${STRANGER}, who runs es-migrate, may not write to it\n` +
        `If what is in it is to stay in use, give it to this user (chown -R ${STRANGER} ${path}); if not, give target.url another directory.\n`,
    );
    expect(await readdir(directory, { recursive: true })).toEqual(['messages']);
  });
});

describe('a directory below the root that others may write to', () => {
  it.each(['messages', 'messages/ab', '.tmp-es-migrate'])(
    'is refused where any user could replace what is there: %s',
    async (name) => {
      const directory = await temporaryDirectory();
      const open = join(directory, name);
      await mkdir(open, { recursive: true });
      await chmod(open, 0o777);
      const target = await targetAt(directory);
      const { message, advice } = await refusal(target.put(key, await body('x'), never));
      expect(message).toBe(
        `${open} may be written by every user (its mode is 0777): any of them could replace what is stored there`,
      );
      expect(advice).toContain('chmod o-w');
      expect(await readdir(open)).toEqual([]);
      // The claim sees those that are sure to be used.
      if (name !== 'messages/ab')
        expect((await refusal(target.claimPrefix(owner, never))).message).toBe(message);
    },
  );

  it.each([
    [0o1777, 'every user', '1777'],
    [0o775, 'its group', '0775'],
  ])('is warned of where they could add to it: mode %o', async (mode, writers, shown) => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'messages');
    await mkdir(path);
    await chmod(path, mode);
    const { cautions } = await (await targetAt(directory)).claimPrefix(owner, never);
    expect(cautions).toEqual([`${path} may be written by ${writers} (its mode is ${shown})`]);
  });
});
