import { describe, expect, test } from 'vitest';
import { bulk, createIndex, es, refresh } from '../elasticsearch/support.js';
import { change } from '../end-to-end/landed.js';
import { runBinary, type Ended } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';

const keyword = { type: 'keyword' };
const date = { type: 'date' };
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];
const LEVELS = ['counts', 'objects', 'content'] as const;

interface Made {
  readonly project: Project;
  readonly settings: Record<string, unknown>;
  readonly history: string;
  readonly messages: string;
}

/** Ten messages joined with their history by tenant and message_id; of the records, four belong to no message. */
async function migrated(
  layout: 'message' | 'batch' = 'message',
  join: object = { key: ['tenant', 'message_id'], on: ['tenant', 'message_id'] },
): Promise<Made> {
  const indices = freshIndexPrefix();
  const [messages, history] = [`${indices}messages`, `${indices}message_history`];
  const fields = { tenant: keyword, message_id: keyword };
  await createIndex(messages, { properties: { timestamp: date, ...fields } });
  await createIndex(history, { properties: { at: date, ...fields } });
  const at = '"timestamp":"2024-10-01T10:00:00Z"';
  const tenants = ['a', 'b'];
  await bulk(
    messages,
    Array.from({ length: 10 }, (_, i) => ({
      id: `generated-${i}`,
      source:
        i === 9
          ? `{${at}}`
          : `{${at},"tenant":"${tenants[i % 2] ?? ''}","message_id":"${i === 8 ? 'both","x":["' : Math.floor(i / 2)}"${i === 8 ? ']' : ''}}`,
    })),
  );
  const record = (id: string, tenant: string, message: string) => ({
    id,
    source: `{"tenant":"${tenant}","message_id":"${message}"}`,
  });
  await bulk(
    history,
    tenants.flatMap((tenant) => [
      ...['0', '1', '2', '3'].flatMap((message) => [
        record(`${tenant}${message}-1`, tenant, message),
        record(`${tenant}${message}-2`, tenant, message),
      ]),
      record(`${tenant}-of-nobody`, tenant, 'x'),
      record(`${tenant}-of-none`, 'c', '1'),
    ]),
  );
  const related = {
    history: { index: history, ...join },
  };
  const settings = { batchSize: 4, source: { related } };
  const project = await makeProject({ indices, layout, settings });
  const run = await runBinary(['run', ...RANGE], project);
  expect(run.code, run.stderr).toBe(0);
  return { project, settings, history, messages };
}

const verify = (
  { project }: Pick<Made, 'project'>,
  level: string,
  ...more: string[]
): Promise<Ended> =>
  runBinary(['verify', '--level', level, '--json', '--restart', ...more], project);

const json = ({ stdout }: Ended) => JSON.parse(stdout) as Record<string, unknown>;

const SUM = { messages: 10, records: 16, withoutRecords: 2, withoutValue: 1, unknown: 0 };

describe.each(['message', 'batch'] as const)('layout %s: records are counted', (layout) => {
  test('on each level, and so are those of no message', async () => {
    const made = await migrated(layout);
    for (const level of LEVELS) {
      const ended = await verify(made, level);
      expect(ended.code, ended.stderr).toBe(0);
      expect(json(ended)).toMatchObject({
        ok: true,
        // By fields, a record may belong to several messages: what is left over tells nothing then.
        related: {
          history: { ...SUM, compared: 10, atSource: 20, withoutKey: 0, ofNoMessage: null },
        },
      });
    }
    const said = await runBinary(['verify'], made.project);
    expect(said.stdout).toContain(
      'history: 16 records in 10 messages; 2 messages without any (1 lack a field of the join)',
    );
  });
});

test('records that belong to several messages are not passed over', async () => {
  const made = await migrated('message', { key: 'message_id', on: 'message_id', probe: false });
  const ended = await runBinary(['verify'], made.project);
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout).toContain(
    'history: documents hold 36 records, the index 20: records belong to several messages\n',
  );
});

test('a record that was added, and one that was removed, are seen on each level', async () => {
  const made = await migrated();
  await bulk(made.history, [{ id: 'new', source: '{"tenant":"a","message_id":"1"}' }]);
  for (const level of LEVELS) {
    const ended = await verify(made, level);
    expect(ended.code, level).toBe(3);
    expect(json(ended), level).toMatchObject({ changed: 1, ok: false });
  }
  await es('DELETE', `/${made.history}/_doc/new`);
  await es('DELETE', `/${made.history}/_doc/b3-2`);
  await refresh(made.history);
  for (const level of LEVELS) {
    const ended = await verify(made, level);
    expect(json(ended), level).toMatchObject({ changed: 1, ok: false });
  }
});

test('records of no message are counted where each belongs to one at most', async () => {
  const indices = freshIndexPrefix();
  const [messages, history] = [`${indices}messages`, `${indices}message_history`];
  await createIndex(messages, { properties: { timestamp: date } });
  await createIndex(history, { properties: { message_id: keyword } });
  await bulk(messages, [
    { id: '1', source: '{"timestamp":"2024-10-01T10:00:00Z"}' },
    { id: '2', source: '{"timestamp":"2024-10-01T10:00:00Z"}' },
  ]);
  await bulk(history, [
    { id: 'a', source: '{"message_id":"1"}' },
    { id: 'b', source: '{"message_id":"2"}' },
    { id: 'c', source: '{"message_id":"3"}' },
    { id: 'd', source: '{"message_id":""}' },
    { id: 'e', source: '{}' },
  ]);
  const settings = { source: { related: { history: { index: history, key: 'message_id' } } } };
  const project = await makeProject({ indices, settings });
  expect((await runBinary(['run', ...RANGE], project)).code).toBe(0);
  const made = { project, history, messages };
  const first = await verify(made, 'counts');
  expect(json(first)).toMatchObject({ related: { history: { atSource: 5, ofNoMessage: 3 } } });
  // One that failed has its records, too.
  await change(
    project,
    `UPDATE message_tracking SET status = 'failed', error_code = 'too_large' WHERE message_id = '2'`,
  );
  await change(project, `UPDATE batch_progress SET processed = 1, failed = 1, status = 'failed'`);
  await change(project, 'UPDATE related_counts SET messages = 1, records = 1');
  const second = await verify(made, 'counts');
  expect(json(second)).toMatchObject({ related: { history: { atSource: 5, ofNoMessage: 3 } } });
  // With several keys, subtraction tells nothing.
  await bulk(history, [{ id: 'f', source: '{"message_id":["1","2"]}' }]);
  const third = await verify(made, 'counts');
  expect(json(third)).toMatchObject({ related: { history: { ofNoMessage: null } } });
});

test('a message that is gone is told where its records can not be compared', async () => {
  const made = await migrated();
  await es('DELETE', `/${made.messages}/_doc/generated-0`);
  await bulk(made.messages, [
    { id: 'new', source: '{"timestamp":"2024-10-01T10:00:00Z","tenant":"a","message_id":"0"}' },
  ]);
  await bulk(made.history, [{ id: 'new', source: '{"tenant":"b","message_id":"0"}' }]);
  for (const level of ['counts', 'objects']) {
    const ended = await verify(made, level);
    expect(ended.code, level).toBe(3);
    expect(json(ended), level).toMatchObject({ deleted: 1, ok: false });
  }
});

test('what an earlier version completed is unknown, and not said to be compared', async () => {
  const made = await migrated();
  await change(made.project, 'DELETE FROM related_counts ORDER BY batch_id LIMIT 1');
  for (const level of ['counts', 'objects']) {
    const ended = await verify(made, level);
    expect(ended.code, ended.stderr).toBe(0);
    expect(json(ended)).toMatchObject({
      related: { history: { messages: 6, unknown: 4, compared: 6, ofNoMessage: null } },
    });
  }
});

test('a count that is wrong in MySQL is told as that where all bytes are compared', async () => {
  const made = await migrated();
  await change(
    made.project,
    'UPDATE related_counts SET records = records + 1 ORDER BY batch_id LIMIT 1',
  );
  const ended = await verify(made, 'content');
  expect(ended.code).toBe(3);
  expect(json(ended)).toMatchObject({ inconsistent: 1, changed: 0 });
});

test('messages with several values, and records with several keys, are counted as they are stored', async () => {
  const indices = freshIndexPrefix();
  const [messages, history] = [`${indices}messages`, `${indices}message_history`];
  await createIndex(messages, { properties: { timestamp: date, threads: keyword } });
  await createIndex(history, { properties: { thread: keyword } });
  const at = '"timestamp":"2024-10-01T10:00:00Z"';
  await bulk(messages, [
    { id: '1', source: `{${at},"threads":["t1","t2"]}` },
    { id: '2', source: `{${at},"threads":"t2"}` },
    { id: '3', source: `{${at},"threads":"t2"}` },
  ]);
  await bulk(history, [
    { id: 'a', source: '{"thread":["t1","t2"]}' },
    { id: 'b', source: '{"thread":"t2"}' },
    { id: 'c', source: '{"thread":"t3"}' },
  ]);
  const project = await makeProject({
    indices,
    settings: {
      source: { related: { history: { index: history, key: 'thread', on: 'threads' } } },
    },
  });
  const run = await runBinary(['run', ...RANGE, '--json'], project);
  expect(run.code, run.stderr).toBe(0);
  for (const level of LEVELS) {
    const ended = await verify({ project }, level);
    expect(ended.code, ended.stderr).toBe(0);
    // Each document has both records: six, of two. Whose none is can't be told by subtraction then.
    expect(json(ended)).toMatchObject({
      related: { history: { records: 6, compared: 3, atSource: 3, ofNoMessage: null } },
    });
  }
});

test('a repair that looks at another target says so, and leaves what was counted', async () => {
  const made = await migrated();
  const { project, settings } = made;
  const url = project.urlPrefix.replace('/some/prefix/', '/some/other');
  await project.configure({ ...settings, target: { url } });
  const elsewhere = await runBinary(['run', ...RANGE], project);
  expect(elsewhere.code, elsewhere.stderr).toBe(3);
  expect(elsewhere.stderr).toContain('were migrated to another target');
  const repaired = await runBinary(['verify', '--repair', '--json'], project);
  expect(repaired.code, repaired.stderr).toBe(3);
  expect(json(repaired)).toMatchObject({ ok: false });

  await project.configure(settings);
  const ended = await verify(made, 'content');
  expect(ended.code, ended.stderr).toBe(0);
  expect(json(ended)).toMatchObject({ ok: true, related: { history: SUM } });
});
