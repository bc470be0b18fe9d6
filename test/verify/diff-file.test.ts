import { link, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { verifyOptions } from '../../src/commands/verify-options.js';
import { DiffFile } from '../../src/core/verify/diff-file.js';

async function folder(): Promise<(name: string) => string> {
  const directory = await mkdtemp(join(tmpdir(), 'es-migrate-diff-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return (name) => join(directory, name);
}

test.each([
  ['a link', symlink, 'ELOOP'],
  ['a second name', link, 'another name'],
])('%s of another file is neither emptied nor written to', async (_, make, why) => {
  const at = await folder();
  await writeFile(at('victim'), 'as it was');
  await make(at('victim'), at('diff'));
  await expect(DiffFile.create(at('diff'))).rejects.toThrow(why);
  await expect(DiffFile.resume(at('diff'), 3)).rejects.toThrow(why);
  expect(await readFile(at('victim'), 'utf8')).toBe('as it was');
});

test('a link is refused before anything is looked at', async () => {
  const at = await folder();
  await symlink(at('nowhere'), at('diff'));
  await expect(verifyOptions({ level: 'objects', combined: at('diff') }, '/')).rejects.toThrow(
    'it is a link, and links are not followed',
  );
});

test('only its user may read it', async () => {
  const at = await folder();
  const file = await DiffFile.create(at('diff'));
  await file.close();
  expect((await stat(at('diff'))).mode & 0o777).toBe(0o600);
});
