import { beforeEach, describe, expect, test } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import type { Source } from '../../src/core/elasticsearch/source.js';
import { batchKey } from '../../src/core/objects/keys.js';
import type { Run } from '../../src/core/run.js';
import type { VerifyOutcome } from '../../src/core/verify/types.js';
import { verify } from '../../src/core/verify/verify.js';
import { change } from '../end-to-end/landed.js';
import { createIndex } from '../extract/messages.js';
import { sandboxCredentials } from '../objects/s3.js';
import { quietRun } from '../support/core.js';
import type { Project } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import {
  add,
  connected,
  DAY,
  differences,
  extractNow,
  indexed,
  migrated,
  named,
  plant,
  processNow,
  remove,
  verifyNow,
} from './support.js';

beforeEach(sandboxCredentials);

const WINDOW = '2024-10-01T00:00:00.000Z/2024-10-02T00:00:00.000Z';

async function deleteMessage(index: string, id: string): Promise<void> {
  const url = `${sandbox().elasticsearch.url}/${index}/_doc/${id}?refresh=true`;
  expect((await fetch(url, { method: 'DELETE' })).ok).toBe(true);
}

describe('windows', () => {
  test('what arrived since, and what is gone', async () => {
    const { project, index } = await migrated({ ids: ids(30) });
    await add(index, ['late1', 'late2']);
    const arrived = await verifyNow(project, { level: 'counts' });
    expect(named(arrived)).toEqual([`arrived ${WINDOW}`]);
    expect(arrived).toMatchObject({
      found: { arrived: 2 },
      counts: { sourceNow: 32, sourceThen: 30, tracked: 30, completed: 30, stored: 30 },
      ok: false,
    });
    for (const id of ['late1', 'late2', 'a1', 'a2', 'a3']) await deleteMessage(index, id);
    const gone = await verifyNow(project, { level: 'counts' });
    expect(gone.found).toMatchObject({ arrived: 0, gone: 3 });
    expect(gone.counts).toMatchObject({ sourceNow: 27, sourceThen: 30 });
  });

  test('what arrived is added by extracting the range again', async () => {
    const { project, index } = await migrated({ ids: ids(30) });
    await add(index, ['late1', 'late2']);
    await extractNow(project);
    expect(await verifyNow(project)).toMatchObject({
      pending: 2,
      ok: false,
      found: { arrived: 0 },
    });
    await processNow(project);
    expect(await verifyNow(project)).toMatchObject({ ok: true, checked: 32 });
  });

  test('a job counts by its own filter, whatever is configured now', async () => {
    const filter = { range: { channel: { lte: 'c2' } } };
    const { project } = await migrated({ ids: ids(30), settings: { source: { filter } } });
    await project.configure({ source: { related: {}, index: await indexOf(project) } });
    const verified = await verifyNow(project, { level: 'counts' });
    expect(verified.counts.tracked).toBeLessThan(30);
    expect(verified.counts.tracked).toBeGreaterThan(0);
    expect(differences(verified)).toEqual({});
    expect(verified.counts.sourceNow).toBe(verified.counts.tracked);
  });

  test('messages that another job had already count once', async () => {
    const { project } = await migrated({ ids: ids(30) });
    await extractNow(project, { from: DAY.from, to: DAY.to + 1 });
    const verified = await verifyNow(project);
    expect(differences(verified)).toEqual({});
    expect(verified).toMatchObject({
      ok: true,
      counts: { sourceNow: 30, sourceThen: 30, tracked: 30 },
    });
  });

  test('what arrived and was read by a later job over an overlapping range is that job’s', async () => {
    const { project, index } = await migrated({ ids: ids(30) });
    await add(index, ['late1', 'late2']);
    await extractNow(project, { from: DAY.from, to: DAY.to + 1 });
    await processNow(project);
    const all = await verifyNow(project, { level: 'counts' });
    expect(differences(all)).toEqual({});
    expect(all).toMatchObject({ ok: true, counts: { sourceNow: 32, sourceThen: 32, tracked: 32 } });
    const [first, later] = [1, 2];
    const warnings: string[] = [];
    const run = quietRun((event) => {
      if (event.type === 'log' && event.level === 'warn') warnings.push(event.message);
    });
    expect(await verifyNow(project, { level: 'counts', jobs: [first] }, run)).toMatchObject({
      ok: true,
      counts: { sourceNow: 30, sourceThen: 30, tracked: 30 },
    });
    expect(warnings).toEqual([
      expect.stringContaining('2 messages of the range are tracked by other'),
    ]);
    expect(await verifyNow(project, { level: 'counts', jobs: [later] })).toMatchObject({
      ok: true,
      counts: { sourceNow: 2, sourceThen: 2, tracked: 2 },
    });
    await add(index, ['latest']);
    await deleteMessage(index, 'a1');
    await deleteMessage(index, 'late1');
    // One that nobody has read lies in a window of each.
    expect((await verifyNow(project, { level: 'counts' })).found).toMatchObject({
      arrived: 2,
      gone: 2,
    });
    expect((await verifyNow(project, { level: 'counts', jobs: [first] })).found).toMatchObject({
      arrived: 1,
      gone: 1,
    });
    expect((await verifyNow(project, { level: 'counts', jobs: [later] })).found).toMatchObject({
      arrived: 1,
      gone: 1,
    });
  });

  describe('a window whose count differs', () => {
    const two = async (settings = {}) => {
      const made = await migrated({ ids: ids(30), settings });
      await add(made.index, ['late1', 'late2']);
      await extractNow(made.project, { from: DAY.from, to: DAY.to + 1 });
      await processNow(made.project);
      await add(made.index, ['latest']);
      return made;
    };

    test('is read to its end, page by page', async () => {
      const many = ids(2_500, 'many');
      const { project, index } = await migrated({
        ids: many,
        batchSize: 500,
        settings: { limits: { sourceRequestsPerSecond: 0, sourceLoad: 0.9 } },
      });
      await add(index, ids(2_100, 'late'));
      await deleteMessage(index, 'many7');
      const verified = await verifyNow(project, { level: 'counts' });
      expect(verified.found).toMatchObject({ arrived: 2_100, gone: 1 });
      expect(verified.counts).toMatchObject({ sourceNow: 4_599, sourceThen: 2_500 });
    });

    test('is read again where its point in time is lost, or it was not read whole', async () => {
      const { project } = await two();
      let reads = 0;
      const verified = await verifyReading(project, quietRun(), async (read) => {
        reads += 1;
        if (reads === 1) return 'pit-lost';
        const page = await read();
        if (page === 'pit-lost' || reads !== 2) return page;
        return { ...page, messages: page.messages.slice(1) };
      });
      expect(verified.found).toMatchObject({ arrived: 2, gone: 0, unreadable: 0 });
      expect(reads).toBe(4);
    });

    test('is told where it cannot be read whole', async () => {
      const { project } = await two();
      const verified = await verifyReading(project, quietRun(), async (read) => {
        const page = await read();
        return page === 'pit-lost' ? page : { ...page, messages: page.messages.slice(1) };
      });
      expect(verified).toMatchObject({ ok: false, found: { unreadable: 2 } });
    });

    test('counts once, though the run stops behind it', async () => {
      const { project } = await two();
      const stop = new AbortController();
      let reads = 0;
      const stopped = await verifyReading(project, quietRun(undefined, stop.signal), (read) => {
        reads += 1;
        if (reads === 2) stop.abort(new Error('stop'));
        return read();
      });
      expect(stopped.ended).toBe('stopped');
      const { counts, found } = await verifyNow(project, { level: 'counts' });
      expect(counts).toMatchObject({ sourceNow: 34, sourceThen: 32 });
      expect(found).toMatchObject({ arrived: 2, gone: 0 });
    });
  });

  test('the same id in another index is another message', async () => {
    const { project, index } = await indexed({ ids: ids(30) });
    await project.configure({ source: { related: {}, index: `${index}*` } });
    await extractNow(project);
    await processNow(project);
    const other = `${index}-2`;
    await createIndex(other);
    await add(other, ['a1', 'a2']);
    const verified = await verifyNow(project, { level: 'counts' });
    expect(differences(verified)).toEqual({ arrived: 2 });
    expect(verified.counts).toMatchObject({ sourceNow: 32, sourceThen: 30 });
  });

  test('one that was not read to its end is open, one that could not be is told', async () => {
    const { project } = await migrated({ ids: ids(30) });
    await change(project, `UPDATE extract_windows SET status = 'pending'`);
    await change(project, `UPDATE job_runs SET status = 'running'`);
    const open = await verifyNow(project);
    expect(differences(open)).toEqual({});
    expect(open).toMatchObject({ openWindows: 1, ok: false });
    await change(project, `UPDATE extract_windows SET status = 'failed', reason = 'out of luck'`);
    const failed = await verifyNow(project);
    expect(named(failed)).toEqual([`inconsistent ${WINDOW}`]);
    expect(failed.findings[0]?.detail).toContain('out of luck');
    await change(project, 'DELETE FROM extract_windows');
    expect(await verifyNow(project)).toMatchObject({ openWindows: 1, ok: false });
  });
});

/** Verifies the counts with pages of ids that come by way of `readBy`. */
async function verifyReading(
  project: Project,
  run: Run,
  readBy: (read: () => ReturnType<Source['readPage']>) => ReturnType<Source['readPage']>,
): Promise<VerifyOutcome> {
  const on = await connected(project, run);
  const readPage: Source['readPage'] = (...request) => readBy(() => on.source.readPage(...request));
  const source = Object.create(on.source, { readPage: { value: readPage } }) as Source;
  try {
    return await verify(run, Object.create(on, { source: { value: source } }) as Connections, {
      ...{ level: 'counts', sample: 1, jobs: undefined, restart: false },
      ...{ repair: false, diffFile: undefined },
    });
  } finally {
    await on.close();
  }
}

async function indexOf(project: { cwd: string }): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(`${project.cwd}/es-migrate.yaml`, 'utf8');
  return /index: (\S*messages)\n/.exec(text)?.[1] ?? '';
}

describe('keys', () => {
  test('layout message: by their number', async () => {
    const { project } = await migrated({ ids: ids(1_100), batchSize: 500 });
    expect(await verifyNow(project, { level: 'counts' })).toMatchObject({
      ok: true,
      checked: 1_100,
    });
    await remove(project, 'messages/a1.json');
    await remove(project, 'messages/a2.json');
    await plant(project, 'somebody', 'x');
    const few = await verifyNow(project, { level: 'counts' });
    expect(differences(few)).toEqual({ missing: 2, foreign: 1 });
    expect(few.counts.stored).toBe(1_098);
    for (const id of ['x1', 'x2', 'x3']) await plant(project, `messages/${id}.json`, '{}');
    expect(differences(await verifyNow(project, { level: 'counts' }))).toEqual({
      orphaned: 1,
      foreign: 1,
    });
  });

  test('layout batch: each by its batch', async () => {
    const { project } = await migrated({ ids: ids(60), layout: 'batch' });
    await remove(project, batchKey(1, 2, 1));
    await change(project, 'UPDATE batch_progress SET claims = 2 WHERE batch_id = 3');
    await plant(project, batchKey(1, 3, 2), 'x');
    const verified = await verifyNow(project, { level: 'counts' });
    expect(differences(verified)).toMatchObject({ missing: 20, orphaned: 2 });
    expect(verified.counts.stored).toBe(40);
  });

  test('nothing is missing or too much while messages are still to be processed', async () => {
    const { project } = await indexed({ ids: ids(60) });
    await extractNow(project);
    await processNow(project, { maxBatches: 1 });
    for (const level of ['counts', 'objects'] as const) {
      const verified = await verifyNow(project, { level });
      expect(differences(verified)).toEqual({});
      expect(verified).toMatchObject({
        pending: 40,
        ok: false,
        counts: { completed: 20, stored: 20 },
      });
    }
  });
});
