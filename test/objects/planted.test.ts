/**
 * What another user of the host can plant in a shared temporary directory. What is made here belongs to the user of the tests, so
 * es-migrate is run as if it were another one; only files of two users in one directory need root, who may give files away.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { openStaging, removeLeftovers, stagingFileName } from '../../src/core/objects/staging.js';
import {
  deadPid,
  giveAway,
  rejection,
  STRANGER,
  temporaryDirectory,
  thisProcess,
} from './contents.js';

const ours = thisProcess.uid ?? 0;
const asStranger = { ...thisProcess, uid: STRANGER };

/** A directory as /tmp is, and a file of ours somewhere else. */
async function sharedPlace() {
  const parent = await temporaryDirectory();
  await chmod(parent, 0o1777);
  const elsewhere = await temporaryDirectory();
  const victim = join(elsewhere, stagingFileName());
  await writeFile(victim, 'precious');
  return { parent, elsewhere, victim, own: join(parent, `es-migrate-${ours}`) };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await rejection(promise);
  if (!isMigrateError(error)) throw error;
  expect(error.kind).toBe('usage');
  expect(error.advice).toContain('TMPDIR');
  expect(error.message).not.toContain('\n');
  return error.message;
}

describe('the directory of the user in a shared temporary directory', () => {
  it('is refused where another user made it first, and nothing in it is touched', async () => {
    const { parent } = await sharedPlace();
    const own = join(parent, `es-migrate-${STRANGER}`);
    const left = join(own, `${thisProcess.hostname}-${await deadPid()}-0-abcdef`);
    await mkdir(left, { recursive: true, mode: 0o700 });
    const file = join(left, stagingFileName());
    await writeFile(file, 'theirs');
    expect(await removeLeftovers(parent, asStranger)).toEqual([]);
    const message = await refusal(openStaging(parent, asStranger));
    expect(message).toBe(
      `Temporary files cannot be kept in ${own}: it belongs to user ${ours}, not to user ${STRANGER}`,
    );
    expect(await readFile(file, 'utf8')).toBe('theirs');
  });

  it('is refused where a link stands in its place, which is not followed', async () => {
    const { parent, own, elsewhere, victim } = await sharedPlace();
    const left = join(elsewhere, `${thisProcess.hostname}-${await deadPid()}-0-abcdef`);
    await mkdir(left, 0o700);
    await writeFile(join(left, stagingFileName()), 'theirs');
    await symlink(elsewhere, own);
    expect(await removeLeftovers(parent, thisProcess)).toEqual([]);
    expect(await refusal(openStaging(parent, thisProcess))).toContain(
      `${own}: it is a symbolic link`,
    );
    expect(await readdir(left)).toHaveLength(1);
    expect(await readFile(victim, 'utf8')).toBe('precious');
  });

  it.each([0o755, 0o770, 0o701])('is refused where others have access (%o)', async (mode) => {
    const { parent, own } = await sharedPlace();
    await mkdir(own);
    await chmod(own, mode);
    expect(await refusal(openStaging(parent, thisProcess))).toContain('others have access to it');
  });

  it('is refused where it is a file', async () => {
    const { parent, own } = await sharedPlace();
    await writeFile(own, '');
    expect(await refusal(openStaging(parent, thisProcess))).toContain('it is not a directory');
  });

  it('lets many processes of the user come and go', async () => {
    const { parent } = await sharedPlace();
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const staging = await openStaging(parent, thisProcess);
        await writeFile(join(staging.directory, stagingFileName()), 'x');
        await staging.close();
      }),
    );
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('another user who makes and exchanges the directory all the time', () => {
  /** Runs as that user until its stdin ends. */
  const attack = `
    const fs = require('fs');
    const [own, elsewhere] = process.argv.slice(1);
    const attempt = (what) => { try { what(); } catch {} };
    let over = false;
    process.stdin.on('end', () => { over = true; }).resume();
    (function again() {
      for (let n = 0; n < 200; n += 1) {
        attempt(() => fs.symlinkSync(elsewhere, own));
        attempt(() => fs.unlinkSync(own));
        attempt(() => fs.mkdirSync(own, 0o777));
        attempt(() => fs.readdirSync(own).forEach((name) => fs.renameSync(own + '/' + name, own + '-' + name)));
        attempt(() => fs.rmdirSync(own));
      }
      if (!over) setImmediate(again);
    })();
    console.log('begun');
  `;

  it('gains nothing: what is staged lies in a directory of ours, and nothing elsewhere changes', async () => {
    // Where the other user gets to; what tests have is theirs alone.
    const parent = await mkdtemp('/var/tmp/es-migrate-test-');
    onTestFinished(() => rm(parent, { recursive: true }));
    await chmod(parent, 0o1777);
    const elsewhere = await temporaryDirectory();
    await writeFile(join(elsewhere, stagingFileName()), 'precious');
    const before = await readdir(elsewhere);
    const own = join(parent, `es-migrate-${ours}`);
    const options = { uid: STRANGER, gid: STRANGER, cwd: '/' };
    const attacker = spawn(process.execPath, ['-e', attack, own, elsewhere], options);
    onTestFinished(() => void attacker.kill('SIGKILL'));
    await once(attacker.stdout, 'data');
    const ended = { well: 0, refused: 0 };
    for (let round = 0; round < 200; round += 1) {
      await removeLeftovers(parent, thisProcess);
      try {
        const staging = await openStaging(parent, thisProcess);
        for (const path of [own, staging.directory]) {
          const { uid, mode } = await lstat(path);
          expect([uid, mode & 0o170777]).toEqual([ours, 0o040700]);
        }
        await writeFile(join(staging.directory, stagingFileName()), 'x');
        await staging.close();
        ended.well += 1;
      } catch (error) {
        if (!isMigrateError(error) || error.kind !== 'usage') throw error;
        ended.refused += 1;
      }
    }
    attacker.stdin.end();
    expect(await readdir(elsewhere)).toEqual(before);
    expect(ended.well + ended.refused).toBe(200);
    expect(ended.refused).toBeGreaterThan(0);
  });
});

describe('what crashed processes left', () => {
  it('is looked for in the directory of the user alone', async () => {
    const { parent } = await sharedPlace();
    // As an earlier process would have named it; anybody can make one.
    const planted = join(parent, `es-migrate-${thisProcess.hostname}-${await deadPid()}-0-abcdef`);
    await mkdir(join(planted, 'below'), { recursive: true });
    await writeFile(join(planted, 'below', 'file'), 'theirs');
    expect(await removeLeftovers(parent, thisProcess)).toEqual([]);
    expect(await readFile(join(planted, 'below', 'file'), 'utf8')).toBe('theirs');
  });

  it('goes file by file: neither links, nor directories, nor files of others or of other names', async () => {
    const { parent, elsewhere, victim } = await sharedPlace();
    const { directory } = await openStaging(parent, { ...thisProcess, pid: await deadPid() });
    const at = (name: string) => join(directory, name);
    const [mine, linked, folder, theirs, hard] = Array.from({ length: 5 }, stagingFileName);
    await writeFile(at(mine ?? ''), 'x');
    await symlink(victim, at(linked ?? ''));
    await mkdir(at(folder ?? ''));
    await writeFile(join(at(folder ?? ''), 'x'), 'x');
    await writeFile(at(theirs ?? ''), 'x');
    await giveAway(at(theirs ?? ''));
    await link(victim, at(hard ?? ''));
    await symlink(elsewhere, at('to-a-directory'));
    await writeFile(at('notes.txt'), 'x');
    expect(await removeLeftovers(parent, thisProcess)).toEqual([]);
    const kept = [linked, folder, theirs, 'to-a-directory', 'notes.txt'].sort();
    expect((await readdir(directory)).sort()).toEqual(kept);
    expect(await readFile(victim, 'utf8')).toBe('precious');
  });

  it('stays where a link to another directory has its name', async () => {
    const { parent, own, elsewhere, victim } = await sharedPlace();
    const staging = await openStaging(parent, thisProcess);
    await symlink(elsewhere, join(own, `${thisProcess.hostname}-${await deadPid()}-0-abcdef`));
    expect(await removeLeftovers(parent, thisProcess)).toEqual([]);
    // The same for a process that ends: its own directory was exchanged meanwhile.
    await rm(staging.directory, { recursive: true });
    await symlink(elsewhere, staging.directory);
    await staging.close();
    expect((await lstat(staging.directory)).isSymbolicLink()).toBe(true);
    expect(await readFile(victim, 'utf8')).toBe('precious');
  });
});
