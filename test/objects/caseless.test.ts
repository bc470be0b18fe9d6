/** Targets on a file system that takes names which differ only in case for the same. */
import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { createSampleIndices, sampleIndices } from '../../sandbox/sample.js';
import { isMigrateError } from '../../src/core/errors.js';
import { messageKey } from '../../src/core/objects/keys.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import { requirePrefix } from '../../src/core/objects/require-prefix.js';
import { put, refresh } from '../elasticsearch/support.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { mountCaselessDisk } from './caseless-disk.js';
import {
  inMemory,
  never,
  readAll,
  rejection,
  temporaryDirectory,
  thisProcess,
} from './contents.js';
import type { Disk } from './disk.js';

let disk: Disk;
beforeAll(async () => {
  disk = await mountCaselessDisk();
});
afterAll(() => disk.unmount());

/** Two ids that differ only in case and fall into the same hash directories, which takes some ten thousand tries. */
function twins(): [string, string] {
  const start = (id: string) => createHash('sha256').update(id).digest('hex').slice(0, 4);
  for (let n = 0; ; n += 1) {
    const [upper, lower] = [`Id-${n}`, `id-${n}`];
    if (start(upper) === start(lower)) return [upper, lower];
  }
}

async function newTarget(directory: string) {
  await mkdir(directory, { recursive: true });
  const target = await openTarget({ kind: 'file', layout: 'message', directory }, thisProcess);
  onTestFinished(() => target.close());
  return target;
}

it('is recognised when the prefix is claimed, and remembered in the marker', async () => {
  const directory = join(disk.path, 'claimed');
  const owner = { databaseId: randomUUID() };
  for (let time = 1; time <= 2; time += 1) {
    const claimed = await (await newTarget(directory)).claimPrefix(owner, never);
    expect(claimed).toMatchObject({ ignoresConditions: false, keyStyle: 'file-caseless' });
    expect(claimed.cautions?.join()).toMatch(/does not keep the mode 0600: files have 0700 there/);
  }
  const marker = JSON.parse(await readFile(join(directory, '_es-migrate.json'), 'utf8')) as unknown;
  expect(marker).toMatchObject({ keys: { style: 'file-caseless' } });
  // What only reads learns it from there.
  const required = await requirePrefix(await newTarget(directory), owner, never);
  expect(required).toMatchObject({ keyStyle: 'file-caseless' });
  expect((await readdir(directory)).sort()).toEqual(['.tmp-es-migrate', '_es-migrate.json']);
  expect(await readdir(join(directory, '.tmp-es-migrate'))).toEqual([]);
});

it('keeps two ids apart that differ only in case and have the same hash directories', async () => {
  const target = await newTarget(join(disk.path, 'twins'));
  const { keyStyle = 'file' } = await target.claimPrefix({ databaseId: randomUUID() }, never);
  const ids = twins();
  const urls = [];
  for (const id of ids) {
    const body = { content: await inMemory(Buffer.from(id)), contentType: 'application/json' };
    const asked = () => Promise.reject(new Error(`${id} was about to replace another`));
    const key = messageKey({ id }, keyStyle);
    urls.push((await target.put(key, body as never, never, asked)).url);
  }
  for (const [at, url] of urls.entries())
    expect((await readAll(await target.get(url, never))).toString()).toBe(ids[at]);
  const { objects } = await target.list(undefined, never);
  expect(objects).toHaveLength(2);
  expect((await lstat(join(disk.path, 'TWINS'))).isDirectory()).toBe(true);
});

it('refuses a directory whose keys were made for another file system', async () => {
  const owner = { databaseId: randomUUID() };
  const elsewhere = await temporaryDirectory();
  await (await newTarget(elsewhere)).claimPrefix(owner, never);
  const marker = await readFile(join(elsewhere, '_es-migrate.json'), 'utf8');
  expect(JSON.parse(marker)).toMatchObject({ keys: { style: 'file' } });
  const directory = join(disk.path, 'copied');
  const target = await newTarget(directory);
  for (const [text, message] of [
    [marker, 'takes names that differ only in case for the same'],
    [marker.replace('"file"', '"file-next"'), 'does not know'],
  ] as const) {
    await writeFile(join(directory, '_es-migrate.json'), text);
    const error = await rejection(target.claimPrefix(owner, never));
    if (!isMigrateError(error)) throw error;
    expect([error.kind, error.message]).toEqual(['usage', expect.stringContaining(message)]);
    expect(await readFile(join(directory, '_es-migrate.json'), 'utf8')).toBe(text);
  }
});

it('takes the whole job: process, verify, get', async () => {
  const indices = freshIndexPrefix();
  await createSampleIndices(sandbox().elasticsearch.url, indices);
  const { messages } = sampleIndices(indices);
  const ids = twins();
  for (const id of ids)
    await put(messages, id, `{"timestamp":"2024-10-01T12:00:00Z","text":"${id}"}`);
  await refresh(messages);
  const project = await makeProject({ indices, target: 'file', layout: 'message' });
  await project.configure({ target: { url: `file://${join(disk.path, 'job')}` } });
  const ran = await runBinary(['run', '--from', '2024-10-01', '--to', '2024-10-01'], project);
  expect(ran.code, ran.stderr).toBe(0);
  const verified = await runBinary(['verify', '--level', 'content', '--json'], project);
  expect(JSON.parse(verified.stdout)).toMatchObject({ checked: 2, ok: true, orphaned: 0 });
  for (const id of ids) {
    const got = await runBinary(['get', '--', id], project);
    expect(got.stdout).toContain(`"message_id":"${id}"`);
  }
});
