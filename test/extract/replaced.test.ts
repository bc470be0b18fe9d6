import { beforeEach, describe, expect, test } from 'vitest';
import { change, query, trackingRows } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { add } from '../verify/support.js';
import { createIndex } from './messages.js';

beforeEach(sandboxCredentials);

const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];

async function elasticsearch(method: string, path: string, body?: object): Promise<void> {
  const answer = await fetch(`${sandbox().elasticsearch.url}/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

const swap = (...actions: object[]) => elasticsearch('POST', '_aliases', { actions });

/** An index of twenty messages, and a project that reads it, in batches of five. */
async function project(index: string): Promise<Project> {
  await createIndex(index, { shards: 2 });
  await add(index, ids(20));
  const made = await makeProject({ indices: freshIndexPrefix(), layout: 'batch' });
  await made.configure({ source: { index, related: {} }, batchSize: 5 });
  return made;
}

async function command(at: Project, ...argv: string[]) {
  const { code, stdout, stderr } = await runBinary(argv, at);
  const warnings = stderr.split('\n').filter((line) => /index .*(replaced|gone|alias)/.test(line));
  return { code, stdout, stderr, warnings };
}

async function migrated(at: Project): Promise<{ completed: number; missing: number }> {
  const rows = await trackingRows(at);
  const count = (test: (row: (typeof rows)[number]) => boolean) => rows.filter(test).length;
  return {
    completed: count(({ status }) => status === 'completed'),
    missing: count((row) => row['error_code'] === 'missing'),
  };
}

/** How an index comes to be another one, of another name, behind the same alias; the old one is deleted. */
const WAYS: Record<string, (from: string, to: string) => Promise<void>> = {
  // What a reindex does: the same ids in an index made for them.
  reindexed: async (_from, to) => {
    await createIndex(to);
    await add(to, ids(20));
  },
  shrunk: async (from, to) => {
    await elasticsearch('PUT', `${from}/_settings`, { 'index.blocks.write': true });
    await elasticsearch('POST', `${from}/_shrink/${to}?wait_for_active_shards=1`, {
      settings: { 'index.number_of_shards': 1, 'index.blocks.write': null },
    });
  },
};

describe.each(Object.keys(WAYS))('an index that was %s behind its alias', (way) => {
  test('is told at once, with what is not migrated yet and what to do', async () => {
    const name = freshIndexPrefix();
    const [live, old, young] = [`${name}live`, `${name}1`, `${name}2`];
    const at = await behindAlias(live, old);
    expect(await command(at, 'extract', ...RANGE)).toMatchObject({ code: 0, warnings: [] });
    expect(await command(at, 'process', '--max-batches', '1')).toMatchObject({ warnings: [] });
    await WAYS[way]?.(old, young);
    await swap({ add: { index: young, alias: live } }, { remove_index: { index: old } });

    const gone = await command(at, 'process');
    expect(gone.code).toBe(3);
    expect(gone.warnings).toEqual([
      expect.stringMatching(`index ${old} is gone: 15 messages of it not migrated yet `),
      expect.stringMatching(`15 messages failed with missing because index ${old} is gone: `),
    ]);
    expect(await migrated(at)).toEqual({ completed: 5, missing: 15 });

    // As it says.
    await swap({ add: { index: young, alias: old } });
    expect((await command(at, 'retry', '--error', 'missing')).code).toBe(0);
    const found = await command(at, 'process');
    expect(found.code, found.stderr).toBe(0);
    expect(found.warnings).toEqual([
      expect.stringMatching(`is an alias of ${young} now: 15 messages of it not migrated yet`),
    ]);
    expect(await migrated(at)).toEqual({ completed: 20, missing: 0 });
  }, 120_000);

  test('is not extracted a second time unless that is allowed, and then it is said', async () => {
    const name = freshIndexPrefix();
    const [live, old, young] = [`${name}live`, `${name}1`, `${name}2`];
    const at = await behindAlias(live, old);
    expect((await command(at, 'extract', ...RANGE)).code).toBe(0);
    await WAYS[way]?.(old, young);
    await swap({ add: { index: young, alias: live } }, { remove_index: { index: old } });

    const tables = ['job_runs', 'message_tracking', 'batch_progress', 'extract_windows'];
    const everything = () =>
      Promise.all(tables.map((table) => query(at, `SELECT * FROM ${table}`)));
    const before = await everything();
    // The same range, and another one that has a part of it.
    for (const range of [RANGE, ['--from', '2024-09-01', '--to', '2024-10-15']]) {
      const refused = await command(at, 'extract', ...range);
      expect(refused.code, refused.stderr).toBe(2);
      expect(refused.stderr).toMatch(
        `of 20 messages of this range in ${young}, 20 are tracked under ${old} already`,
      );
      expect(refused.stderr).toMatch('--allow-replaced-index');
    }
    expect(await everything()).toEqual(before);

    const allowed = await command(at, 'extract', ...RANGE, '--allow-replaced-index');
    expect(allowed.code, allowed.stderr).toBe(0);
    expect(allowed.stderr).toMatch(/20 of the messages read are tracked twice now/);
    expect(await trackingRows(at)).toHaveLength(40);
  }, 120_000);

  async function behindAlias(live: string, old: string): Promise<Project> {
    const at = await project(old);
    await swap({ add: { index: old, alias: live } });
    await at.configure({ source: { index: live, related: {} }, batchSize: 5 });
    return at;
  }
});

test('an index that was deleted and made again under its name', async () => {
  const index = `${freshIndexPrefix()}messages`;
  const at = await project(index);
  expect((await command(at, 'extract', ...RANGE)).code).toBe(0);
  await elasticsearch('DELETE', index);
  await createIndex(index);
  await add(index, [...ids(18), 'new1', 'new2']);

  const processed = await command(at, 'process');
  expect(processed.code).toBe(3);
  expect(processed.warnings).toEqual([
    expect.stringMatching(
      /was replaced since it was extracted \(its UUID is another now\): 20 messages of it not migrated yet/,
    ),
    expect.stringMatching(/2 messages failed with missing because index .* lacks them/),
  ]);
  expect(await migrated(at)).toEqual({ completed: 18, missing: 2 });

  const again = await command(at, 'extract', ...RANGE);
  expect(again.code, again.stderr).toBe(0);
  expect(again.warnings).toEqual([
    expect.stringMatching(/was replaced since job 1 read it .* are not tracked twice/),
  ]);
  expect(await trackingRows(at)).toHaveLength(22);
  // Both are known now, so that nothing is told twice.
  expect((await command(at, 'extract', ...RANGE)).warnings).toEqual([]);
  expect((await command(at, 'process')).warnings).toEqual([]);
  expect(await migrated(at)).toEqual({ completed: 20, missing: 2 });
}, 120_000);

test('an alias that took the name of the index', async () => {
  const index = `${freshIndexPrefix()}messages`;
  const at = await project(index);
  expect((await command(at, 'extract', ...RANGE)).code).toBe(0);
  await createIndex(`${index}-v2`);
  await add(`${index}-v2`, ids(20));
  await swap({ remove_index: { index } }, { add: { index: `${index}-v2`, alias: index } });
  const processed = await command(at, 'process');
  expect(processed.code, processed.stderr).toBe(0);
  expect(processed.warnings).toEqual([
    expect.stringMatching(
      `was an index when it was extracted, and is an alias of ${index}-v2 now: 20 messages`,
    ),
  ]);
  expect(await migrated(at)).toEqual({ completed: 20, missing: 0 });
  expect((await command(at, 'extract', ...RANGE)).code).toBe(2);
}, 120_000);

test('an index more behind a pattern, or one that is no longer there, alone doubles nothing', async () => {
  const name = freshIndexPrefix();
  const at = await project(`${name}1`);
  await at.configure({ source: { index: `${name}*`, related: {} } });
  expect((await command(at, 'extract', ...RANGE)).code).toBe(0);
  // One that was made for the next month.
  await createIndex(`${name}2`);
  await add(`${name}2`, ['other1', 'other2']);
  expect(await command(at, 'extract', ...RANGE)).toMatchObject({ code: 0, warnings: [] });
  expect(await trackingRows(at)).toHaveLength(22);
  // And where the first is dropped since it is old, a third one holds other messages.
  await elasticsearch('DELETE', `${name}1`);
  await createIndex(`${name}3`);
  await add(`${name}3`, ['other3']);
  const later = await command(at, 'extract', ...RANGE);
  expect(later.code, later.stderr).toBe(0);
  expect(later.stderr).not.toMatch(/tracked twice/);
  expect(await trackingRows(at)).toHaveLength(23);
}, 120_000);

test('jobs that were extracted before UUIDs were kept are refused a second extraction, too', async () => {
  const name = freshIndexPrefix();
  const at = await project(`${name}1`);
  await swap({ add: { index: `${name}1`, alias: `${name}live` } });
  await at.configure({ source: { index: `${name}live`, related: {} } });
  expect((await command(at, 'extract', ...RANGE)).code).toBe(0);
  await change(at, 'DELETE FROM job_indices');
  await createIndex(`${name}2`);
  await add(`${name}2`, ids(20));
  await swap(
    { add: { index: `${name}2`, alias: `${name}live` } },
    { remove_index: { index: `${name}1` } },
  );
  expect((await command(at, 'extract', ...RANGE)).code).toBe(2);
  // Nothing is known of them, so nothing is said.
  expect((await command(at, 'process')).warnings).toEqual([]);
}, 120_000);

test('another source in the same tracking database may have the same ids', async () => {
  const name = freshIndexPrefix();
  const at = await project(`${name}sms`);
  expect((await command(at, 'extract', ...RANGE)).code).toBe(0);
  await createIndex(`${name}mail`);
  await add(`${name}mail`, ids(20));
  await at.configure({ source: { index: `${name}mail`, related: {} } });
  const both = await command(at, 'extract', ...RANGE);
  expect(both.code, both.stderr).toBe(0);
  expect(both.stderr).not.toMatch(/tracked twice/);
  expect(await trackingRows(at)).toHaveLength(40);
}, 120_000);

test('a configuration that names the new index itself is refused as an alias is', async () => {
  const name = freshIndexPrefix();
  const at = await project(`${name}1`);
  expect((await command(at, 'extract', ...RANGE)).code).toBe(0);
  await createIndex(`${name}2`);
  await add(`${name}2`, ids(20));
  await elasticsearch('DELETE', `${name}1`);
  await at.configure({ source: { index: `${name}2`, related: {} } });
  const refused = await command(at, 'run', ...RANGE);
  expect(refused.code, refused.stderr).toBe(2);
  expect(refused.stderr).toMatch(`20 are tracked under ${name}1 already`);
}, 120_000);
