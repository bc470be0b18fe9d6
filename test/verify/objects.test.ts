import { beforeEach, describe, expect, test } from 'vitest';
import { hostileIds } from '../../sandbox/sample/ids.js';
import { batchKey, batchIndexKey, messageKey } from '../../src/core/objects/keys.js';
import type { RunEvent } from '../../src/core/run.js';
import { change, query } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import { quietRun } from '../support/core.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import {
  add,
  differences,
  extractNow,
  flip,
  migrated,
  named,
  plant,
  processNow,
  remove,
  stored,
  verifyNow,
} from './support.js';

beforeEach(sandboxCredentials);

const sql = (id: string) => `X'${Buffer.from(id).toString('hex')}'`;

describe.each(['s3', 'file'] as const)('in target %s, an object each', (target) => {
  const keyOf = (id: string) => messageKey({ id }, target);

  test('all is well: several pages of keys, hostile ids and hashed keys', async () => {
    const all = [...ids(1_300), ...hostileIds('x')];
    const { project } = await migrated({ ids: all, batchSize: 500, target });
    const verified = await verifyNow(project);
    expect(differences(verified)).toEqual({});
    expect(verified).toMatchObject({ ok: true, ended: 'done', checked: all.length, pending: 0 });
    expect(verified.counts).toEqual({
      sourceNow: all.length,
      sourceThen: all.length,
      tracked: all.length,
      completed: all.length,
      stored: all.length,
    });
  });

  test('what was planted is found, no more, and repaired', async () => {
    const long = 'ü'.repeat(200);
    const { project } = await migrated({ ids: [...ids(60), long], target });
    await remove(project, keyOf('a3'));
    await remove(project, keyOf(long));
    await flip(project, keyOf('a25'));
    await plant(project, keyOf('a7'), '{}');
    await change(
      project,
      `UPDATE message_tracking SET s3_path = CONCAT(s3_path, 'x') WHERE message_id = ${sql('a30')}`,
    );
    await change(
      project,
      `UPDATE message_tracking SET s3_path = 's3://elsewhere/x.json' WHERE message_id = ${sql('a31')}`,
    );
    await failed(project, 'a40');
    await plant(project, 'messages/not-ours.json', '{}');
    await plant(project, 'messages/not ours', 'x');
    await plant(project, 'readme.txt', 'x');
    await plant(project, `messages/~${'0'.repeat(64)}.json`, '{}');

    const verified = await verifyNow(project, { repair: true });
    expect(differences(verified)).toEqual({ missing: 2, mismatched: 4, foreign: 4 });
    expect(named(verified).sort()).toEqual(
      [
        'missing a3',
        `missing ${long}`,
        'mismatched a25',
        'mismatched a30',
        'mismatched a31',
        'mismatched a7',
        'foreign messages/not-ours.json',
        'foreign messages/not ours',
        'foreign readme.txt',
        `foreign messages/~${'0'.repeat(64)}.json`,
      ].sort(),
    );
    // The next attempt of a message that failed writes to the same key: until then its object stays.
    expect(verified.repaired).toEqual({ messages: 6, objects: 0, uploads: 0, left: 4 });
    expect(await stored(project, keyOf('a40'))).not.toHaveLength(0);
    expect(verified).toMatchObject({ ok: false, pending: 6, failed: 1 });

    await change(project, `UPDATE message_tracking SET attempts = 0 WHERE status = 'failed'`);
    await processNow(project);
    const again = await verifyNow(project);
    expect(differences(again)).toEqual({ foreign: 4 });
    expect(again).toMatchObject({ checked: 61, pending: 0, failed: 0, ok: false });
  });

  test('a copy of the objects is as good: where the store has no version, or another, they are read', async () => {
    const { project } = await migrated({ ids: ids(5), target });
    await change(project, `UPDATE message_tracking SET object_etag = 'other'`);
    expect(differences(await verifyNow(project))).toEqual({});
    await flip(project, keyOf('a2'));
    expect(named(await verifyNow(project))).toEqual(['mismatched a2']);
  });
});

describe.each(['s3', 'file'] as const)('in target %s, an object a batch', (target) => {
  test('what was planted is found, no more, and repaired', async () => {
    const all = [...ids(80), ...hostileIds('y')];
    const { project } = await migrated({ ids: all, target, layout: 'batch' });
    expect(differences(await verifyNow(project))).toEqual({});
    await remove(project, batchKey(1, 1, 1));
    await flip(project, batchKey(1, 2, 1));
    await remove(project, batchIndexKey(1, 3, 1));
    await change(
      project,
      `UPDATE message_tracking SET s3_path = CONCAT(s3_path, 'x') WHERE batch_id = 4 ORDER BY message_id LIMIT 1`,
    );
    await change(project, 'UPDATE batch_progress SET claims = 2 WHERE batch_id = 5');
    await plant(project, batchKey(1, 4, 2), 'of a claim that was never made');
    await plant(project, batchKey(1, 99, 1), 'of a batch that never was');
    await plant(project, 'batches/readme', 'x');
    const verified = await verifyNow(project);
    const [astray] = await query(
      project,
      `SELECT message_id FROM message_tracking WHERE batch_id = 4 ORDER BY message_id LIMIT 1`,
    );
    expect(named(verified).sort()).toEqual(
      [
        `missing ${batchKey(1, 1, 1)}`,
        `missing ${batchIndexKey(1, 3, 1)}`,
        `mismatched ${batchKey(1, 2, 1)}`,
        `mismatched ${String(astray?.['message_id'])}`,
        `foreign ${batchKey(1, 4, 2)}`,
        `foreign ${batchKey(1, 99, 1)}`,
        'foreign batches/readme',
        // Whoever counts the claims up by hand moves the key of the object.
        ...(await query(project, 'SELECT message_id FROM message_tracking WHERE batch_id = 5')).map(
          (row) => `mismatched ${String(row['message_id'])}`,
        ),
        `missing ${batchKey(1, 5, 2)}`,
        `orphaned ${batchKey(1, 5, 1)}`,
        `orphaned ${batchIndexKey(1, 5, 1)}`,
      ].sort(),
    );
  });

  test('a repair writes the batch anew, which removes the old; what nobody could tell, the next repair', async () => {
    const { project } = await migrated({ ids: ids(60), target, layout: 'batch' });
    await flip(project, batchKey(1, 1, 1));
    await remove(project, batchKey(1, 2, 1));
    await remove(project, batchIndexKey(1, 3, 1));
    const verified = await verifyNow(project, { repair: true });
    expect(differences(verified)).toEqual({ missing: 21, mismatched: 20 });
    expect(verified.repaired).toEqual({ messages: 60, objects: 0, uploads: 0, left: 0 });
    await processNow(project);
    const again = await verifyNow(project, { repair: true });
    // Without its index nothing says what is in it.
    expect(named(again)).toEqual([`orphaned ${batchKey(1, 3, 1)}`]);
    expect(again).toMatchObject({ ok: true, repaired: { messages: 0, objects: 1, left: 0 } });
    expect(await verifyNow(project)).toMatchObject({ ok: true, checked: 60 });
  });

  test("a message's own object is one too many only while the batch's object is there", async () => {
    const { project } = await migrated({ ids: ids(40), target, layout: 'batch' });
    const [first, second] = await Promise.all([memberOf(project, 1), memberOf(project, 2)]);
    for (const id of [first, second]) await plant(project, messageKey({ id }, target), '{}');
    await remove(project, batchKey(1, 1, 1));
    const verified = await verifyNow(project, { repair: true });
    expect(named(verified).sort()).toEqual(
      [`missing ${batchKey(1, 1, 1)}`, `orphaned ${second}`].sort(),
    );
    // Nothing of the job is removed while messages of it are pending.
    expect(verified.repaired).toEqual({ messages: 20, objects: 0, uploads: 0, left: 1 });
    await processNow(project);
    const again = await verifyNow(project, { repair: true });
    expect(named(again).sort()).toEqual([`orphaned ${first}`, `orphaned ${second}`].sort());
    expect(again).toMatchObject({ ok: true, repaired: { objects: 2, left: 0 } });
    expect(await verifyNow(project)).toMatchObject({ ok: true, checked: 40 });
  });

  test('objects of claims that lost are orphaned, and removed', async () => {
    const { project } = await migrated({ ids: ids(40), target, layout: 'batch' });
    await change(project, 'UPDATE batch_progress SET claims = 3 WHERE batch_id = 1');
    await change(
      project,
      `UPDATE message_tracking SET s3_path = REPLACE(s3_path, '-0001.nd', '-0003.nd') WHERE batch_id = 1`,
    );
    for (const key of [batchKey, batchIndexKey]) {
      await copy(project, key(1, 1, 1), key(1, 1, 3));
      await copy(project, key(1, 1, 1), key(1, 1, 2));
    }
    const verified = await verifyNow(project, { repair: true });
    expect(named(verified).sort()).toEqual(
      [batchKey(1, 1, 1), batchKey(1, 1, 2), batchIndexKey(1, 1, 1), batchIndexKey(1, 1, 2)]
        .map((key) => `orphaned ${key}`)
        .sort(),
    );
    expect(verified).toMatchObject({ ok: true, repaired: { messages: 0, objects: 4, left: 0 } });
    expect(differences(await verifyNow(project))).toEqual({});
  });
});

test('with one job, what lies there of others is left out', async () => {
  const { project, index } = await migrated({ ids: ids(30) });
  await add(index, ids(5, 'b'));
  await extractNow(project, { from: Date.UTC(2024, 8, 1), to: Date.UTC(2024, 11, 1) });
  await processNow(project);
  await remove(project, 'messages/a1.json');
  await remove(project, 'messages/b1.json');
  const told: string[] = [];
  const run = quietRun((event: RunEvent) => {
    if (event.type === 'log' && event.level === 'warn') told.push(event.message);
  });
  const one = await verifyNow(project, { jobs: [2] }, run);
  expect(told).toEqual([
    '30 messages of the range are tracked by other jobs, which were not verified',
  ]);
  expect(named(one)).toEqual(['missing b1']);
  expect(one).toMatchObject({ checked: 5, counts: { tracked: 5, completed: 5, stored: 4 } });
  expect(named(await verifyNow(project)).sort()).toEqual(['missing a1', 'missing b1']);
  await expect(verifyNow(project, { jobs: [9] })).rejects.toThrow('there is no job 9');
});

/** As a message is that failed for good after its object was uploaded. */
async function failed(project: Project, id: string): Promise<void> {
  await change(
    project,
    `UPDATE message_tracking SET status = 'failed', error_code = 'upload_failed', s3_path = NULL, object_bytes = NULL,
       object_sha256 = NULL, object_etag = NULL WHERE message_id = ${sql(id)}`,
  );
  await change(
    project,
    `UPDATE batch_progress SET processed = processed - 1, failed = 1, status = 'failed'
     WHERE batch_id = (SELECT batch_id FROM message_tracking WHERE message_id = ${sql(id)})`,
  );
}

/** A message of a batch. */
async function memberOf(project: Project, batchId: number): Promise<string> {
  const [row] = await query(
    project,
    `SELECT message_id FROM message_tracking WHERE batch_id = ${batchId} ORDER BY message_id LIMIT 1`,
  );
  return String(row?.['message_id']);
}

async function copy(project: Project, from: string, to: string): Promise<void> {
  await plant(project, to, await stored(project, from));
}
