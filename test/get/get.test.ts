import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSampleIndices, loadSample, sampleIndices } from '../../sandbox/sample.js';
import { es, put, refresh } from '../elasticsearch/support.js';
import { expectedDocuments } from '../end-to-end/expected.js';
import { landedObjects, query, trackingRows } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { decodeIndex, fileOf, getter, placeIn, type Index } from './support.js';

const MESSAGES = 700;
const prefix = freshIndexPrefix();
const names = sampleIndices(prefix);
const sample = {
  messages: MESSAGES,
  from: new Date('2024-10-01T00:00:00Z'),
  to: new Date('2024-10-02T00:00:00Z'),
  prefix,
};
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];
/** Larger than its share of memory, so staged; `huge` is more than is checked before it is printed. */
const LARGE = { large: 5 << 20, huge: 11 << 20 };
const settings = {
  batchSize: 10_000,
  concurrency: 2,
  limits: { sourceRequestsPerSecond: 0, maxInFlightBytes: '64MiB' },
};
/** What must come out, by id. */
const expected = new Map<string, string>();
/** Hostile ones, the large ones, and some of the others. */
let ids: string[];

beforeAll(async () => {
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, sample);
  for (const { id, document } of expectedDocuments(sample).values()) expected.set(id, document);
  for (const [id, bytes] of Object.entries(LARGE)) {
    const source = `{"timestamp":"2024-10-01T12:00:00Z","text":"${text(id, bytes)}"}`;
    await put(names.messages, id, source);
    expected.set(
      id,
      `{"message_id":"${id}","index":"${names.messages}","message":${source},"history":[],"status":[],"audit":[]}`,
    );
  }
  await refresh(names.messages);
  ids = [...expected.keys()].filter((id, i) => i % 20 === 0 || !/^[0-9a-f-]{36}$/.test(id));
  expect(ids.length).toBeGreaterThan(40);
});
beforeEach(sandboxCredentials);

/** Text that compresses no better than ordinary messages do. */
function text(seed: string, bytes: number): string {
  const outputLength = bytes / 2;
  return createHash('shake256', { outputLength }).update(seed).digest('hex');
}

async function migrated(layout: 'message' | 'batch', target: 's3' | 'file'): Promise<Project> {
  const project = await makeProject({ indices: prefix, layout, target, settings });
  for (const args of [['extract', ...RANGE], ['process']]) {
    const { code, stderr } = await runBinary(args, project);
    expect(code, stderr).toBe(0);
  }
  return project;
}

/** A batch's object and its index, as files. */
async function batchFiles(project: Project): Promise<{ object: string; index: string }> {
  const [row] = await trackingRows(project);
  const object = fileOf(project, row?.s3_path ?? '');
  return {
    object,
    index: object.replace(/batches(\/[^/]+\/[^/]+)\.ndjson\.gz$/, '_index$1.index.json.gz'),
  };
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(path, bytes);
}

describe.each(['s3', 'file'] as const)('layout batch, to %s', (target) => {
  let project: Project;
  let files: { object: string; index: string };
  let index: Index;
  beforeAll(async () => {
    project = await migrated('batch', target);
    files = await batchFiles(project);
    index = decodeIndex(await readFile(files.index));
  });

  it('the object is one .gz of all documents, its index names each of them', async () => {
    const packed = await readFile(files.object);
    const lines = execFileSync('zcat', [files.object], { maxBuffer: 1 << 30 }).toString();
    expect(lines.endsWith('\n')).toBe(true);
    const sorted = (documents: Iterable<string>) => [...documents].sort().join('\n');
    expect(sorted(lines.slice(0, -1).split('\n')) === sorted(expected.values())).toBe(true);
    expect(index).toMatchObject({
      object: 'batch-0000000001-0001.ndjson.gz',
      bytes: packed.length,
      sha256: createHash('sha256').update(packed).digest('hex'),
    });
    expect(index.members.length).toBeGreaterThan(10);
    expect(index.documents).toHaveLength(expected.size);
    for (const { message_id: id, index: name, revision } of index.documents) {
      const { start, bytes, line } = placeIn(index, id);
      const member = gunzipSync(packed.subarray(start, start + bytes)).toString();
      expect(member.split('\n')[line - 1] === expected.get(id), id).toBe(true);
      expect(name).toBe(names.messages);
      expect(revision).toBeTypeOf('number');
    }
  });

  it('the row of the batch knows both', async () => {
    const stored = await Promise.all([files.object, files.index].map((path) => readFile(path)));
    const [row] = await query(project, 'SELECT * FROM batch_progress');
    expect([row?.['object_bytes'], row?.['index_bytes']]).toEqual(stored.map((one) => one.length));
    const sha = (bytes: Buffer | undefined) =>
      createHash('sha256')
        .update(bytes ?? '')
        .digest();
    expect([row?.['object_sha256'], row?.['index_sha256']]).toEqual(stored.map(sha));
  });

  it('a document comes back byte for byte, and nothing is read but the index and its members', async () => {
    const { get, readings, warnings } = await getter(project);
    const indexBytes = (await readFile(files.index)).length;
    for (const id of ids) {
      readings.length = 0;
      expect((await get(id)) === expected.get(id), id).toBe(true);
      const { start, bytes } = placeIn(index, id);
      expect(readings.map(({ range }) => range)).toEqual([undefined, { start, bytes }]);
      expect(readings.map((one) => one.bytes)).toEqual([indexBytes, bytes]);
      // 64 KB of lines and one more line, packed.
      if (!(id in LARGE)) expect(bytes).toBeLessThan(index.bytes / 100);
    }
    expect(warnings).toEqual([]);
  });

  it('the command prints it and not a byte more', async () => {
    const [longest = ''] = ids.toSorted((a, b) => Buffer.byteLength(b) - Buffer.byteLength(a));
    for (const id of ['large', longest]) {
      const got = await runBinary(['get', '--', id], project);
      expect(got.stderr).toBe('');
      expect(got.stdout === expected.get(id), id).toBe(true);
      expect(got.code).toBe(0);
    }
  });

  it.each<[string, RegExp, () => Promise<void>]>([
    ['gone', /it is gone/, () => rm(files.index)],
    ['damaged', /of no use \(/, () => flip(files.index, 2000)],
    ['cut off', /of no use \(unexpected end of file\)/, () => truncate(files.index, 1000)],
    ['no index', /incorrect header check/, () => writeFile(files.index, '{}')],
    ['the object', /of no use \(/, () => copyFile(files.object, files.index)],
  ])('where the index is %s it warns, and reads the whole object', async (_, why, spoil) => {
    const kept = await readFile(files.index);
    await spoil();
    const { get, readings, warnings } = await getter(project);
    for (const id of ['large', ids[0] ?? '', ids[17] ?? '']) {
      readings.length = 0;
      warnings.length = 0;
      expect((await get(id)) === expected.get(id), id).toBe(true);
      expect(warnings).toEqual([expect.stringMatching(why)]);
      expect(warnings[0]).toContain('.index.json.gz');
      expect(readings.at(-1)).toMatchObject({ range: undefined, bytes: index.bytes });
    }
    await writeFile(files.index, kept);
  });

  it('damage in a member is told before anything is printed, and concerns no other member', async () => {
    const kept = await readFile(files.object);
    const [id = '', other = ''] = ids;
    const { start, bytes } = placeIn(index, id);
    expect(placeIn(index, other).start).not.toBe(start);
    // In the header, in the middle, in the checksum at the end.
    for (const at of [start, start + (bytes >> 1), start + bytes - 6]) {
      await flip(files.object, at);
      const { get } = await getter(project);
      expect(await get(id), String(at)).toMatchObject({ kind: 'damaged' });
      expect((await get(other)) === expected.get(other)).toBe(true);
      await writeFile(files.object, kept);
    }
    await flip(files.object, start + (bytes >> 1));
    const got = await runBinary(['get', '--', id], project);
    expect(got.stdout).toBe('');
    expect(got.stderr).toMatch(
      /^es-migrate: .* is damaged in .*\.ndjson\.gz: it does not unpack: .*es-migrate verify --level content --repair/,
    );
    expect(got.stderr.trim().split('\n')).toHaveLength(1);
    expect(got.code).toBe(3);
    await writeFile(files.object, kept);
  });

  it('damage in a large document is told, wherever it is', async () => {
    const kept = await readFile(files.object);
    const { start, bytes } = placeIn(index, 'large');
    const magic = Buffer.from([0x1f, 0x8b, 0x08]);
    const secondMember = kept.indexOf(magic, start + 1);
    expect(secondMember).toBeLessThan(start + bytes);
    const { get } = await getter(project);
    for (const at of [secondMember, start + (bytes >> 1), start + bytes - 6]) {
      await flip(files.object, at);
      expect(await get('large'), String(at)).toMatchObject({ kind: 'damaged' });
    }
    // Behind a member, zlib takes a zero for padding, and what follows it would be missing without a word.
    const padded = Buffer.from(kept);
    padded[secondMember] = 0;
    await writeFile(files.object, padded);
    expect(await get('large')).toMatchObject({ reason: 'the document ends in the middle' });
    await writeFile(files.object, kept);
  });

  it('an object that was cut off is damaged, or gone', async () => {
    const kept = await readFile(files.object);
    const last = index.documents.at(-1)?.message_id ?? '';
    const { get } = await getter(project);
    for (const size of [index.bytes - 1, placeIn(index, last).start, 0]) {
      await truncate(files.object, size);
      expect(await get(last), String(size)).toMatchObject({ kind: 'damaged' });
    }
    await rm(files.object);
    expect(await get(last)).toMatchObject({ kind: 'gone' });
    await writeFile(files.object, kept);
  });

  it('without the index, damage anywhere in the object is told', async () => {
    const [kept, keptIndex] = [await readFile(files.object), await readFile(files.index)];
    await rm(files.index);
    const [id = ''] = ids;
    const { get } = await getter(project);
    // The header of a member behind the one it lies in: its own bytes are whole, but the object isn't.
    for (const at of [placeIn(index, id).start + 20, index.bytes - 3]) {
      await flip(files.object, at);
      expect(await get(id), String(at)).toMatchObject({ kind: 'damaged' });
      await writeFile(files.object, kept);
    }
    await writeFile(files.index, keptIndex);
  });
});

describe.each(['s3', 'file'] as const)('layout message, to %s', (target) => {
  let project: Project;
  beforeAll(async () => {
    project = await migrated('message', target);
  });

  it('a document comes back byte for byte, in one request', async () => {
    const { get, readings } = await getter(project);
    for (const id of ids) expect((await get(id)) === expected.get(id), id).toBe(true);
    expect(readings).toHaveLength(ids.length);
  });

  it('its row has a revision', async () => {
    const [row] = await query(
      project,
      'SELECT COUNT(*) AS n, COUNT(DISTINCT source_revision) AS revisions FROM message_tracking',
    );
    expect(row?.['n']).toBe(expected.size);
    expect(row?.['revisions']).toBeGreaterThan(expected.size - 5);
  });

  it('one that was changed is not printed', async () => {
    const rows = await trackingRows(project);
    const [id = ''] = ids;
    const row = rows.find(({ message_id: one }) => one.toString() === id);
    const path = fileOf(project, row?.s3_path ?? '');
    const kept = await readFile(path);
    const same = kept.toString().replace('{', '[');
    for (const bytes of [Buffer.from(same), kept.subarray(1), Buffer.alloc(0)]) {
      await writeFile(path, bytes);
      const { get } = await getter(project);
      expect(await get(id)).toMatchObject({ kind: 'damaged' });
    }
    const got = await runBinary(['get', '--', id], project);
    expect(got.stdout).toBe('');
    expect(got.stderr).toMatch(
      / is damaged in .*its SHA-256 is .*, not .*verify --level content --repair/,
    );
    expect(got.code).toBe(3);
    await writeFile(path, kept);
    expect((await runBinary(['get', '--', id], project)).stdout).toBe(kept.toString());
  });

  it('nothing is read outside of the target, as an edited row may say, unless it is asked for', async () => {
    const id = ids.find((one) => /^[0-9a-f-]{36}$/.test(one)) ?? '';
    const row = (await trackingRows(project)).find((one) => one.message_id.toString() === id);
    const url = row?.s3_path ?? '';
    const root = project.urlPrefix.slice(0, -1);
    // A name that begins as the target's does is none of its own.
    const outside = `${root}-of-others/${basename(url)}`;
    await mkdir(`${project.objects}-of-others`);
    await copyFile(fileOf(project, url), join(`${project.objects}-of-others`, basename(url)));
    const point = (to: string) =>
      query(project, `UPDATE message_tracking SET s3_path = '${to}' WHERE message_id = '${id}'`);
    await point(outside);
    const refused = await runBinary(['get', '--', id], project);
    expect([refused.code, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain(`${outside} lies outside the target ${root}`);
    expect(refused.stderr).toContain('--anywhere');
    const got = await runBinary(['get', '--anywhere', '--', id], project);
    expect([got.code, got.stdout === expected.get(id)]).toEqual([0, true]);
    await point(url);
  });

  it('one too large to be checked before is printed, and what is wrong is told at its end', async () => {
    const rows = await trackingRows(project);
    const row = rows.find(({ message_id: one }) => one.toString() === 'huge');
    const path = fileOf(project, row?.s3_path ?? '');
    const kept = await readFile(path);
    await flip(path, kept.length - 10);
    const got = await runBinary(['get', 'huge'], project);
    expect(got.stdout.length).toBe(kept.length);
    expect(got.stderr).toMatch(
      /^es-migrate: "huge" is damaged in .*; what was printed is not it; /,
    );
    expect(got.code).toBe(3);
    await writeFile(path, kept);
  });
});

describe('two claims of one batch', () => {
  it('have an object and an index each; those of the claim that completed it stay, and get reads them', async () => {
    const own = freshIndexPrefix();
    const { url } = sandbox().elasticsearch;
    await createSampleIndices(url, own);
    const { messages } = sampleIndices(own);
    const source = (n: number) => `{"timestamp":"2024-10-01T12:00:00Z","n":${n}}`;
    for (const id of ['a', 'b']) await put(messages, id, source(1));
    await refresh(messages);
    const project = await makeProject({ indices: own, layout: 'batch' });
    await runBinary(['extract', ...RANGE], project);
    await runBinary(['process'], project);
    const first = await batchFiles(project);
    const kept = await readFile(first.index);

    // As after a crash between upload and completion: the batch is claimed again, and the source has changed since.
    await es('PUT', `/${messages}/_doc/b?refresh=true`, source(2));
    await query(project, `UPDATE batch_progress SET status = 'pending', processed = 0`);
    await query(project, `UPDATE message_tracking SET status = 'pending', s3_path = NULL`);
    expect((await runBinary(['process'], project)).code).toBe(0);
    const objects = await landedObjects(project);
    expect([...objects.keys()].sort()).toEqual([
      '_index/job-000001/batch-0000000001-0002.index.json.gz',
      'batches/job-000001/batch-0000000001-0002.ndjson.gz',
    ]);
    const second = await batchFiles(project);
    const [before, after] = [decodeIndex(kept), decodeIndex(await readFile(second.index))];
    const revisions = ({ documents }: Index) =>
      new Map(documents.map((one) => [one.message_id, one.revision]));
    expect(revisions(after).get('a')).toBe(revisions(before).get('a'));
    expect(revisions(after).get('b')).not.toBe(revisions(before).get('b'));

    const { get, warnings } = await getter(project);
    const document = (n: number) =>
      `{"message_id":"b","index":"${messages}","message":${source(n)},"history":[],"status":[],"audit":[]}`;
    expect(await get('b')).toBe(document(2));
    expect(warnings).toEqual([]);
    // The other claim's index in its place is noticed.
    await writeFile(second.index, kept);
    expect(await get('b')).toBe(document(2));
    expect(warnings).toEqual([expect.stringContaining('it is of another object')]);
  });
});
