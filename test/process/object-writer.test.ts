import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { Fault } from '../../src/core/fault.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import { createSpool } from '../../src/core/objects/spool.js';
import type { Target } from '../../src/core/objects/target.js';
import { ObjectWriter } from '../../src/core/process/object-writer.js';
import { UploadLimit } from '../../src/core/process/upload-limit.js';
import type { ClaimedBatch } from '../../src/core/tracking/claims.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { never } from '../elasticsearch/support.js';
import { inFile, inMemory } from '../objects/contents.js';
import { quietRun } from '../support/core.js';
import { claimed, temporaryDirectory, withMethod } from './support.js';

const OBJECT = 'batches/job-000003/batch-0000000007-0002.ndjson.gz';
const INDEX = '_index/job-000003/batch-0000000007-0002.index.json.gz';

async function directoryTarget(): Promise<Target> {
  const directory = await temporaryDirectory();
  const settings = { kind: 'file', layout: 'batch', directory } as const;
  const target = await openTarget(settings, quietRun().host);
  onTestFinished(() => target.close());
  return target;
}

async function writerTo(target: Target, ids: readonly string[]) {
  const batch: ClaimedBatch = {
    batchId: 7,
    jobId: 3,
    claim: 2,
    lease: newLease('test', 60),
    plainKeyIndex: undefined,
    messages: ids.map((id) => claimed('messages', id)),
  };
  const directory = await temporaryDirectory();
  const context = {
    target,
    policy: { retryForMs: 1000, report: () => undefined },
    limit: new UploadLimit({ most: 32, now: () => performance.now() }),
    signal: never,
  };
  const spool = () => createSpool({ memoryLimit: 1 << 20, directory });
  const writer = new ObjectWriter(context, batch, { object: spool(), index: spool() });
  return { writer, batch };
}

/** A target that will not take keys of this kind, however often it is asked. */
function refusing(target: Target, pattern: RegExp, putKeys: string[]): Target {
  const put: Target['put'] = (key, ...rest) => {
    putKeys.push(key);
    if (pattern.test(key)) {
      const fault = new Fault('the target directory', 'request', 'EFBIG', 'it is too large');
      return Promise.reject(fault);
    }
    return target.put(key, ...rest);
  };
  return withMethod(target, 'put', put);
}

test('documents in memory and staged ones lie where the index says; what is recorded is what was stored', async () => {
  const target = await directoryTarget();
  const documents = ['{"n":1}', `{"text":"${'y'.repeat(3 << 20)}"}`, '{"n":3}', '{"n":4}'];
  const { writer, batch } = await writerTo(target, ['a', 'b', 'c', 'd']);
  const contents = [
    undefined,
    await inFile(Buffer.from(documents[1] ?? '')),
    await inMemory(Buffer.from(documents[2] ?? ''), 2),
  ];
  for (const [i, message] of batch.messages.entries()) {
    const content = contents[i];
    const bytes = Buffer.from(documents[i] ?? '');
    await writer.add(
      message,
      content ? { kind: 'staged', content } : { kind: 'bytes', bytes },
      i === 3 ? undefined : i,
    );
  }
  const { outcomes, object } = await writer.finish();
  await writer.discard();
  const url = target.urlOf(OBJECT);
  expect(outcomes.map((one) => (one.kind === 'completed' ? one.url : one.code))).toEqual(
    Array.from({ length: 4 }, () => url),
  );
  const packed = await readFile(fileURLToPath(url));
  const packedIndex = await readFile(fileURLToPath(target.urlOf(INDEX)));
  expect([object?.bytes, object?.index.bytes]).toEqual([packed.length, packedIndex.length]);
  expect(gunzipSync(packed).toString()).toBe(documents.map((one) => `${one}\n`).join(''));
  const { documents: places } = JSON.parse(gunzipSync(packedIndex).toString()) as {
    documents: unknown;
  };
  const place = (id: string, member: number, line: number, revision: number | null) => ({
    message_id: id,
    index: 'messages',
    member,
    line,
    revision,
  });
  expect(places).toEqual([
    place('a', 0, 1, 0),
    place('b', 1, 1, 1),
    place('c', 2, 1, 2),
    place('d', 2, 2, null),
  ]);
});

test.each([
  ['index', /^_index\//, [INDEX]],
  ['object', /^batches\//, [INDEX, OBJECT]],
])(
  'where the %s is refused for good, all of its messages are upload_failed',
  async (_, pattern, asked) => {
    const keys: string[] = [];
    const target = refusing(await directoryTarget(), pattern, keys);
    const { writer, batch } = await writerTo(target, ['a', 'b']);
    for (const message of batch.messages)
      await writer.add(message, { kind: 'bytes', bytes: Buffer.from('{}') }, 1);
    const { outcomes, object } = await writer.finish();
    await writer.discard();
    expect(object).toBeUndefined();
    expect(outcomes).toMatchObject(
      batch.messages.map((message) => ({
        kind: 'failed',
        message,
        stage: 'upload',
        code: 'upload_failed',
        detail: 'it is too large',
      })),
    );
    expect(keys).toEqual(asked);
  },
);

test('a batch without any document writes nothing', async () => {
  const keys: string[] = [];
  const { writer } = await writerTo(refusing(await directoryTarget(), /./, keys), []);
  expect(await writer.finish()).toEqual({ outcomes: [] });
  await writer.discard();
  expect(keys).toEqual([]);
});
