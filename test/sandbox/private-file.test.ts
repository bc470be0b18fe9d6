import { chmod, lstat, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writePrivateFile } from '../../sandbox/private-file.js';
import { temporaryDirectory } from '../objects/contents.js';

it('is this user’s alone, whatever stood in its place', async () => {
  const directory = await temporaryDirectory();
  const elsewhere = join(await temporaryDirectory(), 'elsewhere');
  await writeFile(elsewhere, 'theirs');
  const [planted, readable, fresh] = ['planted', 'readable', 'fresh'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await symlink(elsewhere, planted);
  await writeFile(readable, '');
  await chmod(readable, 0o666);
  for (const path of [planted, readable, fresh]) {
    await writePrivateFile(path, 'password');
    const found = await lstat(path);
    expect([found.isFile(), found.mode & 0o777]).toEqual([true, 0o600]);
    expect(await readFile(path, 'utf8')).toBe('password');
  }
  expect(await readFile(elsewhere, 'utf8')).toBe('theirs');
  expect(await readdir(directory)).toHaveLength(3);
});
