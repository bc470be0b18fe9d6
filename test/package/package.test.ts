import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cacheDir } from '../../sandbox/cache.js';
import { createSampleIndices, loadSample } from '../../sandbox/sample.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { expectedDocuments } from '../end-to-end/expected.js';

/** Installing, and starting servers of one's own, take their time. */
const TIMEOUT = 300_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const sample = {
  messages: 40,
  from: new Date('2024-10-01T00:00:00Z'),
  to: new Date('2024-10-02T00:00:00Z'),
  prefix: freshIndexPrefix(),
};

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

let packed: Packed;
let files: string[];
/** An empty folder, but for the configuration, into which the tarball is installed. */
let project: Project;

const execute = promisify(execFile);

/** Runs a program as a user of the package would, and returns what it printed; fails where it does. */
async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(ES_MIGRATE_|AWS_|npm_)/.test(name),
  );
  const env = {
    ...Object.fromEntries(clean),
    ...project.env,
    ES_MIGRATE_SANDBOX_CACHE: cacheDir(),
  };
  const { stdout } = await execute(command, args, { cwd, env, maxBuffer: 64 * 1024 ** 2 });
  return stdout;
}

const installed = (...args: string[]) =>
  run('npx', ['--no-install', 'es-migrate', ...args], project.cwd);

beforeAll(async () => {
  const { elasticsearch } = sandbox();
  await createSampleIndices(elasticsearch.url, sample.prefix);
  await loadSample(elasticsearch.url, sample);
  project = await makeProject({ indices: sample.prefix });
  const destination = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  const output = await run('npm', ['pack', '--json', '--pack-destination', destination], ROOT);
  [packed] = JSON.parse(output) as [Packed];
  files = packed.files.map(({ path }) => path);
  await writeFile(join(project.cwd, 'package.json'), '{"private":true,"type":"module"}');
  const tarball = join(destination, packed.filename);
  await run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball],
    project.cwd,
  );
  await rm(destination, { recursive: true });
}, TIMEOUT);

afterAll(() => rm(project.cwd, { recursive: true, force: true }));

test('the tarball holds what runs, what describes it, and nothing else', async () => {
  const known = [
    /^(package\.json|npm-shrinkwrap\.json|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE|bin\/es-migrate\.js)$/,
    /^docs\/[\w-]+\.md$/,
    /^migrations\/\d{4}_\w+\.sql$/,
    /^dist\/(src|sandbox)\/[\w/-]+\.(js|d\.ts)$/,
    /^dist\/lambda\/(package\.json|migrations\/\d{4}_\w+\.sql|(extract|process|retry)\.mjs(\.LEGAL\.txt)?)$/,
    /^deploy\//,
    /^sandbox\/[\w/-]+\.(java|xml|properties|sh|yaml)$/,
  ];
  expect(files.filter((path) => !known.some((pattern) => pattern.test(path)))).toEqual([]);
  const migrations = (await readdir(join(ROOT, 'migrations'))).map((name) => `migrations/${name}`);
  expect(files).toEqual(
    expect.arrayContaining([
      ...migrations,
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'SECURITY.md',
      'npm-shrinkwrap.json',
      'docs/ARCHITECTURE.md',
    ]),
  );
  expect(packed.size).toBeLessThan(3_000_000);
});

test('--version and --help answer', async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(await installed('--version')).toBe(`${version}\n`);
  expect(await installed('--help')).toMatch(/Usage: es-migrate .*extract.*demo/s);
});

test('the installed binary does the whole job', async () => {
  await installed('db', 'migrate');
  const added = JSON.parse(
    await installed('extract', '--json', '--from', '2024-10-01', '--to', '2024-10-01'),
  ) as object;
  expect(added).toMatchObject({ expected: 40, extracted: 40 });
  expect(JSON.parse(await installed('process', '--json'))).toMatchObject({
    completed: 40,
    failed: 0,
  });
  expect(JSON.parse(await installed('status', '--json'))).toMatchObject({
    messages: { total: 40, completed: 40 },
  });
  const documents = [...expectedDocuments(sample).values()];
  for (const { id, document } of [documents[0], documents[3]].filter((one) => one !== undefined)) {
    expect(await installed('get', '--', id)).toBe(document);
  }
});

test('the library is found by its name, with types, and nothing behind it is', async () => {
  await writeFile(
    join(project.cwd, 'use.mjs'),
    `import { connect, extract, migrateRange, processBatches, resolveBound, isMigrateError } from 'es-migrate';
     import * as lambda from 'es-migrate/lambda';
     const all = [connect, extract, migrateRange, processBatches].map((one) => typeof one);
     const at = resolveBound('2024-10-01', { timezone: 'UTC', edge: 'from' });
     const inner = await import('es-migrate/dist/src/core/connect.js').catch(({ code }) => code);
     let refused;
     try { resolveBound('2024-02-30', { timezone: 'UTC', edge: 'from' }); } catch (error) { refused = isMigrateError(error); }
     console.log(JSON.stringify({ all, at, inner, refused, handlers: Object.keys(lambda).sort() }));`,
  );
  expect(JSON.parse(await run(process.execPath, ['use.mjs'], project.cwd))).toEqual({
    all: ['function', 'function', 'function', 'function'],
    at: Date.parse('2024-10-01T00:00:00Z'),
    inner: 'ERR_PACKAGE_PATH_NOT_EXPORTED',
    refused: true,
    handlers: ['extract', 'process', 'retry'],
  });
  await writeFile(
    join(project.cwd, 'use.ts'),
    `import { connect, migrateRange, type Connections, type RangeOutcome, type Run, type Settings } from 'es-migrate';
     export async function migrate(settings: Settings, run: Run): Promise<RangeOutcome['kind']> {
       const on: Connections = await connect(settings, { source: true, target: true }, run);
       // @ts-expect-error: were the types missing, everything would be allowed
       await connect(settings, { source: 'yes' }, run);
       const extract = { from: 0, to: undefined, startDate: undefined, slices: 2, dryRun: false };
       const process = { concurrency: 4, maxBatches: undefined, maxRuntimeMs: undefined, watch: false, retryFailed: true };
       const verify = { level: 'objects', sample: 1, jobs: undefined, restart: false, repair: false, diffFile: undefined } as const;
       return (await migrateRange(run, on, { extract, process, verify })).kind;
     }`,
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const typeRoots = join(ROOT, 'node_modules/@types');
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--skipLibCheck',
  ];
  await run(
    process.execPath,
    [tsc, ...options, '--types', 'node', '--typeRoots', typeRoots, 'use.ts'],
    project.cwd,
  );
});

test('the demo runs from the package', { timeout: TIMEOUT }, async () => {
  const result = JSON.parse(await installed('demo', '--messages', '50', '--json')) as {
    document: string;
  };
  expect(result).toMatchObject({
    messages: 50,
    completed: 50,
    failed: 0,
    compared: 50,
    equal: 50,
  });
  expect(await readFile(result.document, 'utf8')).toMatch(/^\{"message_id":".*\}$/);
  await rm(join(result.document, '..'), { recursive: true });
});
