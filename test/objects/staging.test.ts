import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { openStaging, removeLeftovers, stagingFileName } from '../../src/core/objects/staging.js';
import { deadPid, isAlive, rejection, temporaryDirectory } from './contents.js';

const uid = process.geteuid?.();
const here = { hostname: 'host-a.example', isAlive, uid };

describe('the staging directory', () => {
  it('is private, and gone after close with all that is in it', async () => {
    const parent = await temporaryDirectory();
    const staging = await openStaging(parent, { hostname: 'host-a', pid: process.pid, uid });
    expect((await stat(staging.directory)).mode & 0o777).toBe(0o700);
    await writeFile(join(staging.directory, stagingFileName()), 'x');
    await staging.close();
    await staging.close();
    expect(await readdir(parent)).toEqual([]);
  });

  it('of a living process stays', async () => {
    const parent = await temporaryDirectory();
    await openStaging(parent, { hostname: here.hostname, pid: process.pid, uid });
    expect(await removeLeftovers(parent, here)).toEqual([]);
    expect(await readdir(parent)).toHaveLength(1);
  });

  it('of a process that died is removed', async () => {
    const parent = await temporaryDirectory();
    const { directory } = await openStaging(parent, {
      hostname: here.hostname,
      pid: await deadPid(),
      uid,
    });
    await writeFile(join(directory, stagingFileName()), 'x');
    expect(await removeLeftovers(parent, here)).toEqual([directory]);
    expect(await readdir(parent)).toEqual([]);
  });

  it('is removed, too, when another process has the id now', async () => {
    const parent = await temporaryDirectory();
    const { directory } = await openStaging(parent, {
      hostname: here.hostname,
      pid: process.pid,
      uid,
    });
    const own = dirname(directory);
    const name = basename(directory).replace(/-[0-9a-f]+-\w{6}$/, '-0123456789ab-aBcDe1');
    await mkdir(join(own, name), 0o700);
    expect(await removeLeftovers(parent, here)).toEqual([join(own, name)]);
    expect(await readdir(own)).toEqual([basename(directory)]);
  });

  it('of another container on this host stays: it has no ids in common with this one', async () => {
    const parent = await temporaryDirectory();
    const pid = await deadPid();
    const { directory } = await openStaging(parent, { hostname: here.hostname, pid, uid });
    const elsewhere = basename(directory).replace(/-\d+-([0-9a-f]+-\w{6})$/, '-4026539999-$1');
    await rename(directory, join(dirname(directory), elsewhere));
    expect(await removeLeftovers(parent, here)).toEqual([]);
    expect(await readdir(dirname(directory))).toEqual([elsewhere]);
  });

  it('of an earlier boot is removed, whatever container it was made in', async () => {
    const parent = await temporaryDirectory();
    const { pid } = process;
    const { directory } = await openStaging(parent, { hostname: here.hostname, pid, uid });
    const earlier = basename(directory).replace(
      /-[0-9a-f]{8}-\d+-([0-9a-f]+-\w{6})$/,
      '-01234567-4026539999-$1',
    );
    await rename(directory, join(dirname(directory), earlier));
    expect(await removeLeftovers(parent, here)).toEqual([join(dirname(directory), earlier)]);
  });

  it('of another host stays, and so does whatever else lies there', async () => {
    const parent = await temporaryDirectory();
    await openStaging(parent, { hostname: 'host-b', pid: await deadPid(), uid });
    await mkdir(join(parent, 'es-migrate-sandbox-abcdef'));
    await writeFile(join(parent, 'notes.txt'), '');
    expect(await removeLeftovers(parent, here)).toEqual([]);
    expect(await readdir(parent)).toHaveLength(3);
  });

  it('needs a parent that exists', async () => {
    const parent = join(await temporaryDirectory(), 'missing');
    const error = await rejection(
      openStaging(parent, { hostname: 'host-a', pid: process.pid, uid }),
    );
    expect(isMigrateError(error) && error.kind).toBe('usage');
    expect(String(error)).toContain(parent);
    expect(await removeLeftovers(parent, here)).toEqual([]);
  });
});
