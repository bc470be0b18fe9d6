import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { createSampleIndices, loadSample, sampleIndices } from '../../sandbox/sample.js';
import { change, query } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import { quietRun } from '../support/core.js';
import { makeProject, type Project, type ProjectOptions } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { compareContent, migrate } from './content-support.js';

const MESSAGES = 120;
const BATCH = 20;
const DAY = { from: new Date('2024-10-01T00:00:00Z'), to: new Date('2024-10-02T00:00:00Z') };

interface Migrated {
  readonly project: Project;
  readonly names: ReturnType<typeof sampleIndices>;
  /** Ordinary ids, in the order of their batches. */
  readonly ids: readonly string[];
  readonly keyOf: (id: string) => Promise<string>;
}

beforeEach(sandboxCredentials);

/** A sample of its own, migrated. */
async function migrated(options: Omit<ProjectOptions, 'indices'> = {}): Promise<Migrated> {
  const prefix = freshIndexPrefix();
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, { messages: MESSAGES, ...DAY, prefix });
  const project = await makeProject({
    indices: prefix,
    settings: { batchSize: BATCH },
    ...options,
  });
  await migrate(project, DAY);
  const rows = await query(
    project,
    'SELECT message_id, s3_path FROM message_tracking ORDER BY batch_id, message_id',
  );
  const paths = new Map(rows.map((row) => [String(row['message_id']), String(row['s3_path'])]));
  return {
    project,
    names: sampleIndices(prefix),
    ids: [...paths.keys()].filter((id) => /^[0-9a-f-]{36}$/.test(id)),
    keyOf: (id) => Promise.resolve((paths.get(id) ?? '').slice(project.urlPrefix.length)),
  };
}

async function elasticsearch(method: string, path: string, body?: string): Promise<void> {
  const answer = await fetch(`${sandbox().elasticsearch.url}/${path}?refresh=true`, {
    method,
    ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
  });
  expect(answer.ok, await answer.text()).toBe(true);
}

/** Other bytes under the same key, by the store's own front door. */
async function putObject({ project }: Migrated, key: string, bytes: Buffer): Promise<void> {
  const { endpoint, region } = sandbox().s3;
  const client = new S3Client({ endpoint, region, forcePathStyle: true });
  const [Bucket = '', ...prefix] = project.urlPrefix.slice('s3://'.length, -1).split('/');
  await client.send(new PutObjectCommand({ Bucket, Key: [...prefix, key].join('/'), Body: bytes }));
  client.destroy();
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe.each([
  { layout: 'message', target: 's3' },
  { layout: 'message', target: 'file' },
  { layout: 'batch', target: 's3' },
  { layout: 'batch', target: 'file' },
] as const)('layout $layout, to $target', ({ layout, target }) => {
  test('what was migrated and left alone is the same, whatever its ids', async () => {
    const { project } = await migrated({ layout, target });
    const { collected, checkpoints } = await compareContent(project);
    expect(collected.summary).toEqual([]);
    expect(collected.same_).toBe(MESSAGES);
    expect(collected.sameKeys).toHaveLength(layout === 'message' ? MESSAGES : MESSAGES / BATCH);
    // In the order of the batches, each once.
    expect(checkpoints).toHaveLength(MESSAGES / BATCH);
    expect(checkpoints).toEqual([...new Set(checkpoints)].sort((a, b) => a - b));
  });
});

describe('what changed at the source since is told apart', () => {
  test.each(['message', 'batch'] as const)('layout %s', async (layout) => {
    const here = await migrated({ layout });
    const { project, names, ids } = here;
    const [updated, rewritten, grown, deleted] = ids as [string, string, string, string];
    await elasticsearch('PUT', `${names.messages}/_doc/${updated}`, '{"timestamp":"2024-10-01"}');
    // Written again with the same bytes: another revision, but no difference.
    const answer = await fetch(
      `${sandbox().elasticsearch.url}/${names.messages}/_source/${rewritten}`,
    );
    await elasticsearch('PUT', `${names.messages}/_doc/${rewritten}`, await answer.text());
    const record = `{"message_id":"${grown}","at":"2024-10-01T00:00:00Z"}`;
    await elasticsearch('PUT', `${names.history}/_doc/new-record`, record);
    await elasticsearch('DELETE', `${names.messages}/_doc/${deleted}`);
    const { collected } = await compareContent(project);
    expect(collected.summary).toEqual(
      [`changed ${updated}`, `changed ${grown}`, `deleted ${deleted}`].sort(),
    );
    expect(collected.same_).toBe(MESSAGES - 3);
    for (const { detail } of collected.of('changed'))
      expect(detail).toMatch(/^changed at the source since: \d+ bytes stored, \d+ bytes/);
  });

  test('without a recorded revision nobody can tell, and it says so', async () => {
    const { project, names, ids } = await migrated();
    await elasticsearch('PUT', `${names.messages}/_doc/${ids[0] ?? ''}`, '{"a":1}');
    await change(project, 'UPDATE message_tracking SET source_revision = NULL');
    const { collected } = await compareContent(project);
    expect(collected.summary).toEqual([`changed ${ids[0] ?? ''}`]);
    expect(collected.found[0]?.detail).toMatch(/nobody can tell/);
  });
});

describe('layout message: what is wrong in the target', () => {
  test('deleted, flipped, replaced, pointed elsewhere: each by its name', async () => {
    const here = await migrated();
    const { project, ids, keyOf } = here;
    const [deleted, flipped, replaced, elsewhere] = ids as [string, string, string, string];
    await rm(join(project.objects, await keyOf(deleted)));
    await flip(join(project.objects, await keyOf(flipped)));
    await putObject(here, await keyOf(replaced), Buffer.from('{"message_id":"someone else"}'));
    await change(
      project,
      `UPDATE message_tracking SET s3_path = 'file:///etc/passwd' WHERE message_id = '${elsewhere}'`,
    );
    const { collected } = await compareContent(project);
    expect(collected.summary).toEqual(
      [
        `mismatched ${elsewhere}`,
        `mismatched ${flipped}`,
        `mismatched ${replaced}`,
        `missing ${deleted}`,
      ].sort(),
    );
    const damaged = collected.found.find(({ message }) => message?.id.toString() === flipped);
    expect(damaged?.detail).toMatch(/^damaged in the target: SHA-256 [0-9a-f]{12}… of \d+ bytes/);
    expect(collected.same_).toBe(MESSAGES - 4);
  });

  test('other bytes recorded and stored consistently, under the same revision: spoiled', async () => {
    const here = await migrated();
    const { project, ids, keyOf } = here;
    const [id = ''] = ids;
    const key = await keyOf(id);
    const stored = await readFile(join(project.objects, key), 'utf8');
    const spoiled = Buffer.from(shortened(stored));
    expect(spoiled.length).toBe(Buffer.byteLength(stored) - 1);
    await putObject(here, key, spoiled);
    await change(
      project,
      `UPDATE message_tracking SET object_sha256 = UNHEX('${sha256(spoiled)}'), object_bytes = ${spoiled.length}
       WHERE message_id = '${id}'`,
    );
    const { collected } = await compareContent(project);
    expect(collected.summary).toEqual([`mismatched ${id}`]);
    expect(collected.found[0]?.detail).toMatch(
      /^spoiled by es-migrate: same revision at the source, other bytes/,
    );
  });

  test('a message that cannot be read any more is unreadable, whatever the others are', async () => {
    const { project, names, ids } = await migrated();
    const [id = ''] = ids;
    // The same id a second time, under another routing.
    for (const routing of ['a', 'b', 'c']) {
      const path = `${names.messages}/_doc/${id}`;
      await fetch(`${sandbox().elasticsearch.url}/${path}?refresh=true&routing=${routing}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: '{"timestamp":"2024-10-01"}',
      });
    }
    const { collected } = await compareContent(project);
    expect(collected.summary).toEqual([`unreadable ${id}`]);
    expect(collected.found[0]?.detail).toMatch(/^ambiguous_id: /);
  });
});

describe('layout batch: what is wrong in the target', () => {
  test('an object deleted, one flipped: each as a whole', async () => {
    const { project, ids, keyOf } = await migrated({ layout: 'batch' });
    const keys = [...new Set(await Promise.all(ids.map(keyOf)))];
    const [deleted = '', flipped = ''] = keys;
    await rm(join(project.objects, deleted));
    await flip(join(project.objects, flipped));
    const { collected } = await compareContent(project);
    expect(collected.found).toMatchObject([
      { kind: 'missing', key: deleted, count: BATCH },
      { kind: 'mismatched', key: flipped, count: BATCH },
    ]);
    expect(collected.found[1]?.detail).toMatch(/^damaged in the target: SHA-256/);
    expect(collected.same_).toBe(MESSAGES - 2 * BATCH);
  });

  test('recorded as it is stored, but spoiled, doubled, or of somebody else: line by line', async () => {
    const here = await migrated({ layout: 'batch' });
    const { project, ids, keyOf } = here;
    const key = await keyOf(ids[0] ?? '');
    const lines = gunzipSync(await readFile(join(project.objects, key)))
      .toString()
      .split('\n');
    const ordinary = lines.filter((line) => /^\{"message_id":"[0-9a-f-]{36}"/.test(line));
    const [spoiled = '', doubled = '', lost = ''] = ordinary;
    const changed = lines.flatMap((line) => {
      if (line === spoiled) return [shortened(line)];
      if (line === doubled) return [line, line];
      if (line === lost) return [line.replace(/"message_id":"[^"]+"/, '"message_id":"stranger"')];
      return [line];
    });
    const object = gzipSync(changed.join('\n'));
    await putObject(here, key, object);
    await change(
      project,
      `UPDATE batch_progress SET object_sha256 = UNHEX('${sha256(object)}'), object_bytes = ${object.length}
       ORDER BY batch_id LIMIT 1`,
    );
    const { collected } = await compareContent(project);
    const idOf = (line: string) => /"message_id":"([^"]+)"/.exec(line)?.[1] ?? '';
    expect(collected.summary).toEqual(
      [
        `mismatched ${idOf(spoiled)}`,
        `mismatched ${idOf(doubled)}`,
        `missing ${idOf(lost)}`,
        'mismatched of 1',
      ].sort(),
    );
    const detail = (id: string) =>
      collected.found.find(({ message }) => message?.id.toString() === id)?.detail;
    expect(detail(idOf(spoiled))).toMatch(/^spoiled by es-migrate/);
    expect(detail(idOf(doubled))).toMatch(/2 times/);
    expect(collected.found.find(({ message }) => !message)?.detail).toMatch(/"stranger"/);
    expect(collected.same_).toBe(MESSAGES - 3);
  });

  test('an object that is no gzip any more, recorded as it is', async () => {
    const here = await migrated({ layout: 'batch' });
    const key = await here.keyOf(here.ids[0] ?? '');
    const object = Buffer.from('not a gzip');
    await putObject(here, key, object);
    await change(
      here.project,
      `UPDATE batch_progress SET object_sha256 = UNHEX('${sha256(object)}') ORDER BY batch_id LIMIT 1`,
    );
    const { collected } = await compareContent(here.project);
    expect(collected.found).toMatchObject([{ kind: 'mismatched', key, count: BATCH }]);
    expect(collected.found[0]?.detail).toMatch(/cannot be unpacked/);
  });
});

describe('a sample, a resume, a stop', () => {
  test('some batches, the same for the same seed, at least one', async () => {
    const { project } = await migrated();
    const chosen = async (sample: number, seed: number) =>
      (await compareContent(project, { sample, seed })).checkpoints;
    const half = await chosen(0.5, 7);
    expect(half.length).toBeGreaterThan(0);
    expect(half.length).toBeLessThan(MESSAGES / BATCH);
    expect(await chosen(0.5, 7)).toEqual(half);
    const one = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => chosen(1e-9, seed)));
    expect(one.map(({ length }) => length)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(new Set(one.flat()).size).toBeGreaterThan(1);
    expect(await chosen(1, 7)).toHaveLength(MESSAGES / BATCH);
  });

  test('it goes on behind the last checkpoint, and both parts together are the whole', async () => {
    const { project } = await migrated();
    const stop = new AbortController();
    const first = await compareContent(
      project,
      {},
      { run: quietRun(undefined, stop.signal), checkpoint: () => stop.abort() },
    );
    const afterBatch = first.checkpoints.at(-1) ?? 0;
    expect(first.collected.same_).toBe(BATCH * first.checkpoints.length);
    expect(first.checkpoints.length).toBeLessThan(MESSAGES / BATCH);
    const second = await compareContent(project, { afterBatch });
    expect(first.collected.same_ + second.collected.same_).toBe(MESSAGES);
    expect([...first.checkpoints, ...second.checkpoints]).toHaveLength(MESSAGES / BATCH);
  });

  test('a batch that is processed again meanwhile is passed over', async () => {
    const { project, ids, keyOf } = await migrated();
    await rm(join(project.objects, await keyOf(ids[0] ?? '')));
    await change(project, "UPDATE batch_progress SET status = 'pending' ORDER BY batch_id LIMIT 1");
    const { collected } = await compareContent(project);
    expect(collected.summary).toEqual([]);
    expect(collected.same_).toBe(MESSAGES - BATCH);
  });
});

/** What a parser that thinks in doubles makes of a price. */
function shortened(document: string): string {
  return document.replace(/("amount":0\.\d+)0,/, '$1,');
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}
