import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/bundle.mjs', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

const bundle = (...args: string[]) => promisify(execFile)(process.execPath, [SCRIPT, ...args]);

const refusal = (...args: string[]) =>
  bundle(...args).then(
    () => undefined,
    (error: unknown) => error as { code: number; stderr: string },
  );

test('the folder has what a function reads at run time, and the configuration that is given', async () => {
  const [into, elsewhere] = [await folder(), await folder()];
  const config = join(elsewhere, 'production.yaml');
  await writeFile(config, 'batchSize: 7\n');
  const authority = join(elsewhere, 'ca.pem');
  await writeFile(authority, 'a certificate');
  await bundle('--into', into, '--config', config, '--with', authority);
  const names = await readdir(into);
  const legal = (name: string) => name.endsWith('.LEGAL.txt');
  expect(names.filter((name) => !legal(name)).sort()).toEqual([
    ...['ca.pem', 'es-migrate.yaml', 'extract.mjs', 'migrations', 'package.json'],
    ...['process.mjs', 'retry.mjs'],
  ]);
  expect(await readFile(join(into, 'ca.pem'), 'utf8')).toBe('a certificate');
  expect(await readFile(join(into, 'es-migrate.yaml'), 'utf8')).toBe('batchSize: 7\n');
  expect(await readdir(join(into, 'migrations'))).toEqual(await readdir(MIGRATIONS));
  // What nobody needs would make it larger by a third.
  for (const name of ['extract', 'process', 'retry'])
    expect((await stat(join(into, `${name}.mjs`))).size).toBeLessThan(3_500_000);
});

test('what is wrong is said in one line', async () => {
  const full = await folder();
  await writeFile(join(full, 'mine'), '');
  for (const [args, words] of [
    [['--config', '/no/such.yaml', '--into', await folder()], 'there is no file /no/such.yaml'],
    [['--with', '/no/ca.pem', '--into', await folder()], 'there is no file /no/ca.pem'],
    [
      ['--with', `${ROOT}/package.json`, '--into', await folder()],
      "package.json is a name of the bundle's own",
    ],
    [['--with', ROOT, '--into', await folder()], 'there is no file'],
    [['--with', 'README.md', '--with', `${ROOT}/README.md`], 'there are two files README.md'],
    [['--into', full], 'is not empty'],
    [['--out', 'x'], "Unknown option '--out'"],
  ] as const) {
    const { code, stderr = '' } = (await refusal(...args)) ?? {};
    expect(code).toBe(2);
    expect(stderr).toMatch(/^es-migrate: .*\n$/);
    expect(stderr).toContain(words);
  }
});
