import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { openStaging, removeLeftovers } from '../../src/core/objects/staging.js';
import { deadPid, isAlive, rejection, temporaryDirectory } from './contents.js';

const here = { hostname: 'host-a.example', isAlive };

describe('the staging directory', () => {
  it('is private, and gone after close with all that is in it', async () => {
    const parent = await temporaryDirectory();
    const staging = await openStaging(parent, { hostname: 'host-a', pid: process.pid });
    expect((await stat(staging.directory)).mode & 0o777).toBe(0o700);
    await writeFile(join(staging.directory, 'spool-1'), 'x');
    await staging.close();
    await staging.close();
    expect(await readdir(parent)).toEqual([]);
  });

  it('of a living process stays', async () => {
    const parent = await temporaryDirectory();
    await openStaging(parent, { hostname: here.hostname, pid: process.pid });
    expect(await removeLeftovers(parent, here)).toEqual([]);
    expect(await readdir(parent)).toHaveLength(1);
  });

  it('of a process that died is removed', async () => {
    const parent = await temporaryDirectory();
    const { directory } = await openStaging(parent, {
      hostname: here.hostname,
      pid: await deadPid(),
    });
    await writeFile(join(directory, 'spool-1'), 'x');
    expect(await removeLeftovers(parent, here)).toEqual([directory]);
    expect(await readdir(parent)).toEqual([]);
  });

  it('is removed, too, when another process has the id now', async () => {
    const parent = await temporaryDirectory();
    const name = `es-migrate-${here.hostname}-${process.pid}-0123456789ab-aBcDe1`;
    await mkdir(join(parent, name));
    const { directory } = await openStaging(parent, { hostname: here.hostname, pid: process.pid });
    expect(await removeLeftovers(parent, here)).toEqual([join(parent, name)]);
    expect(await readdir(parent)).toEqual([basename(directory)]);
  });

  it('of another host stays, and so does whatever else lies there', async () => {
    const parent = await temporaryDirectory();
    await openStaging(parent, { hostname: 'host-b', pid: await deadPid() });
    await mkdir(join(parent, 'es-migrate-sandbox-abcdef'));
    await writeFile(join(parent, 'notes.txt'), '');
    expect(await removeLeftovers(parent, here)).toEqual([]);
    expect(await readdir(parent)).toHaveLength(3);
  });

  it('needs a parent that exists', async () => {
    const parent = join(await temporaryDirectory(), 'missing');
    const error = await rejection(openStaging(parent, { hostname: 'host-a', pid: process.pid }));
    expect(isMigrateError(error) && error.kind).toBe('usage');
    expect(String(error)).toContain(parent);
    expect(await removeLeftovers(parent, here)).toEqual([]);
  });
});
