import { beforeAll, describe, expect, it } from 'vitest';
import { createSampleIndices, loadSample, sampleIndices } from '../../sandbox/sample.js';
import { runBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { expectedDocuments, expectedKey, type Expected } from './expected.js';
import { documentsOf, landedObjects, query, trackingRows } from './landed.js';

const MESSAGES = 20_000;
const prefix = freshIndexPrefix();
const sample = {
  messages: MESSAGES,
  from: new Date('2024-10-01T00:00:00Z'),
  to: new Date('2024-10-08T00:00:00Z'),
  prefix,
};
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-07'];
let expected: Map<string, Expected>;

beforeAll(async () => {
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, sample);
  await loadStrays(url);
  expected = expectedDocuments(sample);
});

/** Documents that must land nowhere: a millisecond outside the range, and records of no message. */
async function loadStrays(url: string): Promise<void> {
  const names = sampleIndices(prefix);
  const put = async (index: string, id: string, source: string) => {
    const answer = await fetch(`${url}/${index}/_doc/${id}?refresh=true`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: source,
    });
    expect(answer.status).toBe(201);
  };
  await put(names.messages, 'too-early', '{"timestamp":"2024-09-30T23:59:59.999Z"}');
  await put(names.messages, 'too-late', '{"timestamp":"2024-10-08T00:00:00.000Z"}');
  await put(names.history, 'orphan-1', '{"message_id":"nobody","at":"2024-10-02T00:00:00Z"}');
  await put(names.audit, 'orphan-2', '{"at":"2024-10-02T00:00:00Z"}');
  await put(names.status, 'orphan-3', '{"message_id":"too-late","at":"2024-10-02T00:00:00Z"}');
}

describe.each([
  { layout: 'message', target: 's3' },
  { layout: 'message', target: 'file' },
  { layout: 'batch', target: 's3' },
  { layout: 'batch', target: 'file' },
] as const)('20,000 messages, layout $layout, to $target', ({ layout, target }) => {
  let project: Project;

  it('are extracted, processed and counted by one command', { timeout: 300_000 }, async () => {
    project = await makeProject({ indices: prefix, layout, target });
    const run = await runBinary(['run', ...RANGE, '--json'], project);
    expect(run.stderr).not.toMatch(/error/i);
    expect(run.stderr.match(/WARN.*/g)).toEqual([
      expect.stringContaining(
        `1 record in ${sampleIndices(prefix).audit} without message_id in the index`,
      ),
    ]);
    expect(run.code).toBe(0);
    const status = await runBinary(['status', '--json'], project);
    expect(JSON.parse(status.stdout)).toMatchObject({
      jobs: [{ status: 'completed', expected: MESSAGES, extracted: MESSAGES, duplicates: 0 }],
      messages: { total: MESSAGES, pending: 0, inProgress: 0, completed: MESSAGES, failed: 0 },
      batches: { total: MESSAGES / 500, completed: MESSAGES / 500 },
      stuck: 0,
    });
  });

  it('have one completed row each, and no other', async () => {
    const rows = await trackingRows(project);
    expect(rows).toHaveLength(MESSAGES);
    const unexpected = rows.filter(
      (row) => !expected.has(`${row.name}\n${row.message_id.toString('utf8')}`),
    );
    expect(unexpected).toEqual([]);
    expect(new Set(rows.map((row) => row.message_id.toString('hex'))).size).toBe(MESSAGES);
    for (const { status, start_date, attempts, last_attempted } of rows) {
      expect([status, start_date, attempts, last_attempted instanceof Date]).toEqual([
        'completed',
        '2024-10-01',
        0,
        true,
      ]);
    }
  });

  it('lie where their rows say, byte for byte what was indexed', async () => {
    const objects = await landedObjects(project);
    const rows = await trackingRows(project);
    const lines = new Map<string, Set<string>>();
    if (layout === 'batch')
      for (const [key, object] of objects) {
        if (key.endsWith('.ndjson.gz')) lines.set(key, new Set(documentsOf(object)));
      }
    let equal = 0;
    const different: string[] = [];
    for (const row of rows) {
      const id = row.message_id.toString('utf8');
      const { document } = expected.get(`${row.name}\n${id}`) ?? {};
      const path = row.s3_path ?? '';
      const key =
        target === 'file'
          ? decodeURIComponent(path.slice(project.urlPrefix.length))
          : path.slice(project.urlPrefix.length);
      const isEqual =
        layout === 'message'
          ? key === expectedKey(id, target) && objects.get(key)?.toString('utf8') === document
          : document !== undefined && lines.get(key)?.delete(document);
      if (isEqual) equal += 1;
      else different.push(`${id} at ${path}`);
    }
    expect(different).toEqual([]);
    expect(equal).toBe(MESSAGES);
    // Nothing else lies there: no stray document, no second copy. A batch has an object and its index.
    expect(objects.size).toBe(layout === 'message' ? MESSAGES : (2 * MESSAGES) / 500);
    for (const left of lines.values()) expect(left.size).toBe(0);
  });

  it('come back by get, hostile ids included', async () => {
    const hostile = [...expected.values()].filter(({ id }) => !/^[0-9a-f-]{36}$/.test(id));
    expect(hostile.length).toBeGreaterThan(15);
    // One process each is slow: the whole set for one combination, some for the others.
    const some = layout === 'message' && target === 's3' ? hostile : hostile.slice(-3);
    for (const { id, document } of some) {
      const got = await runBinary(['get', '--', id], project);
      expect(got.stderr).toBe('');
      expect(got.stdout).toBe(document);
      expect(got.code).toBe(0);
    }
  });

  it('are not added again by a second run', async () => {
    const again = await runBinary(['extract', ...RANGE, '--json'], project);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({
      expected: MESSAGES,
      extracted: 0,
      duplicates: 0,
      batches: 0,
    });
    const rows = await query(project, 'SELECT COUNT(*) AS n FROM message_tracking');
    expect(rows[0]?.['n']).toBe(MESSAGES);
  });
});
