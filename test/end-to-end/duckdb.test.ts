import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDuckDb } from '../../sandbox/duckdb/prepare.js';
import { createSampleIndices, loadSample } from '../../sandbox/sample.js';
import { runTool } from '../../sandbox/tool.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { expectedDocuments } from './expected.js';

const MESSAGES = 3_000;
const prefix = freshIndexPrefix();
const sample = {
  messages: MESSAGES,
  from: new Date('2024-10-01T00:00:00Z'),
  to: new Date('2024-10-08T00:00:00Z'),
  prefix,
};

/** What a user would type, and the ids as DuckDB reads them; the folder is argument 1, the file for the ids argument 2. */
const SCRIPT = `
import duckdb, json, sys
folder, ids = sys.argv[1:]
files = folder + '/batches/**/*.gz'
(count,), = duckdb.sql(f"SELECT count(*) FROM read_json('{files}')").fetchall()
columns = "columns = {message_id: 'VARCHAR'}"
rows = duckdb.sql(f"SELECT message_id FROM read_json('{files}', {columns})").fetchall()
json.dump([id for id, in rows], open(ids, 'w'))
print(count)
`;

let directory: string;
let packages: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  await writeFile(join(directory, 'read.py'), SCRIPT);
  packages = await prepareDuckDb((line) => console.log(line));
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, sample);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each(['s3', 'file'] as const)('layout batch, to %s', (target) => {
  test('DuckDB finds in batches/ every message once, and nothing else', async () => {
    const settings = { batchSize: 100 };
    const project = await makeProject({ indices: prefix, layout: 'batch', target, settings });
    const run = await runBinary(['run', '--from', '2024-10-01', '--to', '2024-10-07'], project);
    expect(run.code, run.stderr).toBe(0);
    const ids = join(directory, `ids-${target}.json`);
    const count = await runTool('python3', [join(directory, 'read.py'), project.objects, ids], {
      env: { PYTHONPATH: packages },
    });
    expect(Number(count)).toBe(MESSAGES);
    const read = JSON.parse(await readFile(ids, 'utf8')) as string[];
    const expected = [...expectedDocuments(sample).keys()].map((name) =>
      name.slice(name.indexOf('\n') + 1),
    );
    expect(read.sort()).toEqual(expected.sort());
  });
});
