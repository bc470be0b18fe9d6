import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { batchIndexKey, batchKey } from '../../src/core/objects/keys.js';
import type { RunEvent } from '../../src/core/run.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import { change, query } from '../end-to-end/landed.js';
import { observer, sandboxCredentials } from '../objects/s3.js';
import { quietRun } from '../support/core.js';
import type { Project } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import {
  connected,
  differences,
  flip,
  indexed,
  extractNow,
  migrated,
  named,
  plant,
  processNow,
  remove,
  stored,
  verifyNow,
} from './support.js';

beforeEach(sandboxCredentials);

test('it says how much before it acts', async () => {
  const { project } = await migrated({ ids: ids(30) });
  await remove(project, 'messages/a1.json');
  const told: string[] = [];
  const run = quietRun((event: RunEvent) => {
    if (event.type === 'log') told.push(event.message);
  });
  const verified = await verifyNow(project, { repair: true }, run);
  expect(told).toContainEqual(
    expect.stringMatching(/^repair: 1 messages go back to pending, 0 objects/),
  );
  expect(verified).toMatchObject({ ok: false, pending: 1, repaired: { messages: 1, left: 0 } });
});

test('a batch somebody works on is left alone', async () => {
  const { project } = await migrated({ ids: ids(40) });
  await remove(project, 'messages/a1.json');
  await remove(project, 'messages/a30.json');
  // Claimed for one more message of it.
  await change(
    project,
    `UPDATE message_tracking SET status = 'in_progress' WHERE message_id = 'a2'`,
  );
  await change(
    project,
    `UPDATE batch_progress SET status = 'in_progress', processed = processed - 1, claims = 2, lease_token = 'abc', lease_owner = 'x',
       lease_expires_at = NOW(6) - INTERVAL 1 MINUTE WHERE batch_id = 1`,
  );
  const before = await query(project, 'SELECT * FROM message_tracking WHERE batch_id = 1');
  const verified = await verifyNow(project, { repair: true });
  expect(named(verified).sort()).toEqual(['missing a1', 'missing a30']);
  expect(verified.repaired).toEqual({ messages: 1, objects: 0, uploads: 0, left: 1 });
  expect(await query(project, 'SELECT * FROM message_tracking WHERE batch_id = 1')).toEqual(before);
});

test('what is put back costs no attempt, and its row points nowhere until it is processed', async () => {
  const { project } = await migrated({ ids: ids(20) });
  await remove(project, 'messages/a1.json');
  await verifyNow(project, { repair: true });
  const row = `SELECT status, attempts, s3_path, object_bytes, object_sha256, object_etag, source_revision
    FROM message_tracking WHERE message_id = 'a1'`;
  expect(await query(project, row)).toEqual([
    {
      status: 'pending',
      attempts: 0,
      s3_path: null,
      object_bytes: null,
      object_sha256: null,
      object_etag: null,
      source_revision: null,
    },
  ]);
  const batch = 'SELECT status, total_messages, processed, failed, lease_token FROM batch_progress';
  expect(await query(project, batch)).toEqual([
    { status: 'pending', total_messages: 20, processed: 19, failed: 0, lease_token: null },
  ]);
  await processNow(project);
  expect(await verifyNow(project)).toMatchObject({ ok: true, checked: 20 });
});

test('a batch in progress that nobody could ever take over becomes claimable', async () => {
  const { project } = await indexed({ ids: ids(20) });
  await extractNow(project);
  await change(project, `UPDATE batch_progress SET status = 'in_progress'`);
  await change(project, `UPDATE message_tracking SET status = 'in_progress'`);
  const verified = await verifyNow(project, { repair: true });
  expect(differences(verified)).toEqual({ inconsistent: 1 });
  expect(verified.repaired).toEqual({ messages: 0, objects: 0, uploads: 0, left: 0 });
  await processNow(project);
  expect(await verifyNow(project)).toMatchObject({ ok: true });
});

test('a row that was deleted is told until the range is extracted again', async () => {
  const { project } = await migrated({ ids: ids(20), layout: 'batch' });
  await change(project, `DELETE FROM message_tracking WHERE message_id = 'a1'`);
  expect(await verifyNow(project, { repair: true })).toMatchObject({
    found: { inconsistent: 1 },
    repaired: { left: 0 },
    ok: false,
  });
  const short = await verifyNow(project);
  expect(named(short)).toEqual(['inconsistent job 1']);
  expect(short.findings[0]?.detail).toContain('20 messages were read, 19 are tracked');
  await extractNow(project);
  await processNow(project);
  expect(await verifyNow(project)).toMatchObject({ ok: true, checked: 20 });
});

test("a batch's object stands or falls as a whole, and stays until it was written again", async () => {
  const { project } = await migrated({ ids: ids(40), layout: 'batch' });
  await change(project, `UPDATE message_tracking SET s3_path = NULL WHERE message_id = 'a3'`);
  const verified = await verifyNow(project, { repair: true });
  expect(named(verified)).toEqual(['inconsistent batch 1']);
  expect(verified.repaired).toEqual({ messages: 20, objects: 0, uploads: 0, left: 0 });
  const open = `SELECT status, processed, object_bytes, object_sha256 FROM batch_progress WHERE batch_id = 1`;
  expect(await query(project, open)).toEqual([
    { status: 'pending', processed: 0, object_bytes: null, object_sha256: null },
  ]);
  const again = await verifyNow(project, { repair: true });
  expect(differences(again)).toEqual({});
  expect(again).toMatchObject({ pending: 20, repaired: { messages: 0, objects: 0 } });
  expect(await stored(project, batchKey(1, 1, 1))).not.toHaveLength(0);
  await processNow(project);
  await expect(stored(project, batchKey(1, 1, 1))).rejects.toThrow('ENOENT');
  expect(await verifyNow(project, { level: 'content' })).toMatchObject({ ok: true, checked: 40 });
});

test('what contradictions hide is not called proven: an object is missing where the counter is short', async () => {
  const { project } = await migrated({ ids: ids(20) });
  await remove(project, 'messages/a1.json');
  await change(project, 'UPDATE batch_progress SET processed = 19');
  const first = await verifyNow(project, { repair: true });
  expect(named(first)).toEqual(['inconsistent batch 1']);
  expect(first).toMatchObject({ ok: false, repaired: { left: 0 } });
  expect(named(await verifyNow(project))).toEqual(['missing a1']);
});

test('rows of windows that are gone are told: their range was compared with nothing', async () => {
  const { project } = await migrated({ ids: ids(20) });
  await change(project, 'DELETE FROM extract_windows');
  const verified = await verifyNow(project);
  expect(named(verified)).toEqual(['inconsistent job 1']);
  expect(verified.findings[0]?.detail).toContain('its windows do not cover its range');
});

test("where a batch has its own object and messages have theirs, each one's is looked for", async () => {
  const { project } = await migrated({ ids: ids(10) });
  await remove(project, 'messages/a1.json');
  await verifyNow(project, { repair: true });
  await project.configure({ batchSize: 20, source: { related: {} }, target: { layout: 'batch' } });
  await processNow(project);
  expect(await verifyNow(project)).toMatchObject({ ok: true, counts: { stored: 10 } });
  expect(await verifyNow(project, { level: 'counts' })).toMatchObject({ ok: true });
  for (const id of ids(10).filter((id) => id !== 'a1'))
    await remove(project, `messages/${id}.json`);
  expect(differences(await verifyNow(project))).toEqual({ missing: 9 });
});

describe('what may be the last copy of a message is kept', () => {
  test('an older object of its batch, after that was put back and written once more', async () => {
    const { project, index } = await migrated({ ids: ids(20), layout: 'batch' });
    const first = batchKey(1, 1, 1);
    await flip(project, first);
    const held = await stored(project, first);
    await verifyNow(project, { repair: true });
    await drop(index, 'a1');
    await processNow(project);
    await flip(project, batchKey(1, 1, 2));
    await verifyNow(project, { repair: true });
    await processNow(project);
    expect(await stored(project, first)).toEqual(held);
    expect(await stored(project, batchKey(1, 1, 3))).not.toHaveLength(0);
  });

  test('everything of a job whose rows were deleted', async () => {
    const { project } = await migrated({ ids: ids(40), layout: 'batch' });
    const held = await stored(project, batchKey(1, 1, 1));
    await change(project, 'DELETE FROM message_tracking WHERE batch_id = 1');
    await change(project, 'DELETE FROM batch_progress WHERE batch_id = 1');
    for (const objects of [0, 0]) {
      const verified = await verifyNow(project, { repair: true });
      expect(verified).toMatchObject({ ok: false, repaired: { objects } });
    }
    expect(await stored(project, batchKey(1, 1, 1))).toEqual(held);
  });

  test('an object written under a number that the tracking database, put back in time, gives again', async () => {
    const { project } = await indexed({ ids: ids(20), layout: 'batch' });
    await extractNow(project);
    const first = batchKey(1, 1, 1);
    await plant(project, first, 'of a later time');
    await processNow(project);
    expect((await stored(project, first)).toString()).toBe('of a later time');
    expect(await stored(project, batchKey(1, 1, 2))).not.toHaveLength(0);
  });

  test('its own object, though it is damaged and the source has dropped the message', async () => {
    const { project, index } = await migrated({ ids: ids(20) });
    await flip(project, 'messages/a1.json');
    const damaged = await stored(project, 'messages/a1.json');
    await drop(index, 'a1');
    const verified = await verifyNow(project, { repair: true });
    expect(verified.repaired).toMatchObject({ messages: 1, objects: 0 });
    await processNow(project);
    const after = await verifyNow(project, { repair: true });
    expect(after).toMatchObject({ failed: 1, ok: false, repaired: { messages: 0, objects: 0 } });
    expect(await stored(project, 'messages/a1.json')).toEqual(damaged);
  });

  test("its batch's object, also when it was moved to another batch", async () => {
    const { project, index } = await migrated({ ids: ids(20), layout: 'batch' });
    await flip(project, batchKey(1, 1, 1));
    const damaged = await stored(project, batchKey(1, 1, 1));
    await drop(index, 'a1');
    await verifyNow(project, { repair: true });
    await processNow(project);
    const old = [batchKey(1, 1, 1), batchIndexKey(1, 1, 1)].map((key) => `orphaned ${key}`);
    const failed = await verifyNow(project, { repair: true });
    expect(named(failed)).toEqual(expect.arrayContaining(old));
    expect(failed).toMatchObject({ failed: 1, repaired: { messages: 0, objects: 0 } });
    expect(failed.findings.find(({ kind }) => kind === 'orphaned')?.detail).toContain('; kept, ');
    const on = await connected(project);
    await requeueFailed(on.database, { force: true, maxAttempts: 5 }, 20);
    await on.close();
    const moved = await verifyNow(project, { repair: true });
    expect(moved).toMatchObject({ pending: 1, found: { orphaned: 2 }, repaired: { objects: 0 } });
    expect(await stored(project, batchKey(1, 1, 1))).toEqual(damaged);
  });
});

test('what was completed since the verification began is left alone', async () => {
  const { project } = await migrated({ ids: ids(20) });
  await remove(project, 'messages/a1.json');
  await change(project, 'UPDATE batch_progress SET completed_at = NOW(3) + INTERVAL 1 HOUR');
  const verified = await verifyNow(project, { repair: true });
  expect(named(verified)).toEqual(['missing a1']);
  expect(verified).toMatchObject({ pending: 0, repaired: { messages: 0, left: 1 } });
});

test.each([
  { spoiled: 11, putBack: 0 },
  { spoiled: 10, putBack: 10 },
])('of 20 messages, $spoiled spoiled: $putBack put back', async ({ spoiled, putBack }) => {
  const { project } = await migrated({ ids: ids(20) });
  for (const id of ids(spoiled)) {
    const bytes = Buffer.from(`{"message_id":"${id}"}\n`);
    await plant(project, `messages/${id}.json`, bytes);
    await change(
      project,
      `UPDATE message_tracking SET object_bytes = ${bytes.length}, object_etag = NULL,
         object_sha256 = UNHEX(SHA2('${bytes.toString()}', 256)) WHERE message_id = '${id}'`,
    );
  }
  const told: string[] = [];
  const run = quietRun((event: RunEvent) => {
    if (event.type === 'log' && event.level === 'warn') told.push(event.message);
  });
  const verified = await verifyNow(project, { level: 'content', repair: true }, run);
  expect(differences(verified)).toEqual({ mismatched: spoiled });
  expect(verified.repaired).toMatchObject({ messages: putBack, left: spoiled - putBack });
  expect(told.join('\n')).toMatch(putBack === 0 ? /source\.related/ : /^$/);
});

describe('uploads that were never completed', () => {
  test('are found and abandoned; those of others, and of messages in progress, are not', async () => {
    const { project } = await migrated({ ids: ids(40) });
    await change(
      project,
      `UPDATE message_tracking SET status = 'in_progress' WHERE message_id = 'a30'`,
    );
    await change(
      project,
      `UPDATE batch_progress SET status = 'in_progress', processed = processed - 1, lease_token = 'abc', lease_owner = 'x',
         lease_expires_at = NOW(6) + INTERVAL 1 HOUR WHERE batch_id = 2`,
    );
    for (const key of ['messages/a1.json', 'messages/a30.json', 'of-others'])
      await begin(project, key);
    const verified = await verifyNow(project, { repair: true });
    expect(named(verified).sort()).toEqual(['foreign of-others', 'unfinished messages/a1.json']);
    expect(verified.repaired).toEqual({ messages: 0, objects: 0, uploads: 1, left: 1 });
    expect(await begun(project)).toEqual(['messages/a30.json', 'of-others']);
  });

  test('in a directory: what other hosts left behind', async () => {
    const { project } = await migrated({ ids: ids(5), target: 'file' });
    const directory = join(project.objects, '.tmp-es-migrate');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'elsewhere-77-abc-0123456789abcdef'), 'half');
    const verified = await verifyNow(project, { repair: true });
    expect(differences(verified)).toEqual({ unfinished: 1 });
    expect(verified).toMatchObject({ ok: true, repaired: { uploads: 1, left: 0 } });
    expect(await readdir(directory)).toEqual([]);
  });
});

/** Deletes a message at the source. */
async function drop(index: string, id: string): Promise<void> {
  const { url } = sandbox().elasticsearch;
  const answer = await fetch(`${url}/${index}/_doc/${id}?refresh=true`, { method: 'DELETE' });
  expect(answer.ok, await answer.text()).toBe(true);
}

const place = ({ urlPrefix }: Project) => {
  const [, Bucket, prefix = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(urlPrefix) ?? [];
  return { Bucket, prefix };
};

async function begin(project: Project, key: string): Promise<void> {
  const { Bucket, prefix } = place(project);
  const at = { Bucket, Key: prefix + key };
  const { UploadId } = await observer().send(new CreateMultipartUploadCommand(at));
  await observer().send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'part' }));
}

async function begun(project: Project): Promise<string[]> {
  const { Bucket, prefix } = place(project);
  const { Uploads = [] } = await observer().send(new ListMultipartUploadsCommand({ Bucket }));
  return Uploads.map(({ Key = '' }) => Key.slice(prefix.length)).sort();
}
