import { expect, onTestFinished, test } from 'vitest';
import { isUsage } from '../../src/core/errors.js';
import { Fault } from '../../src/core/fault.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import { MessageWriter } from '../../src/core/process/message-writer.js';
import { UploadLimit } from '../../src/core/process/upload-limit.js';
import type { ClaimedBatch } from '../../src/core/tracking/claims.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { never } from '../elasticsearch/support.js';
import { rejection } from '../objects/contents.js';
import { quietRun } from '../support/core.js';
import { claimed, temporaryDirectory, withMethod } from './support.js';

/** Writes so many messages to a target that says this to the nth, and counts what was asked. */
async function writing(messages: number, codeOf: (nth: number) => string | undefined) {
  const directory = await temporaryDirectory();
  const real = await openTarget({ kind: 'file', layout: 'message', directory }, quietRun().host);
  onTestFinished(() => real.close());
  let asked = 0;
  const target = withMethod(real, 'put', (...put) => {
    asked += 1;
    const code = codeOf(asked);
    if (code === undefined) return real.put(...put);
    return Promise.reject(new Fault('S3', 'request', code, `PUT: S3 answered 400 ${code}`));
  });
  const batch: ClaimedBatch = {
    ...{ batchId: 1, jobId: 1, claim: 1, lease: newLease('test', 60), plainKeyIndex: undefined },
    messages: Array.from({ length: messages }, (_, at) => claimed('messages', String(at))),
  };
  const policy = { retryForMs: 1000, report: () => undefined };
  const limit = new UploadLimit({ most: 1, now: () => performance.now() });
  const beforeReplacing = () => Promise.resolve();
  const context = { target, policy, limit, signal: never, beforeReplacing };
  const writer = new MessageWriter(context, batch, 'file');
  const write = async () => {
    for (const message of batch.messages) {
      await writer.add(message, { kind: 'bytes', bytes: Buffer.from('{}') }, undefined);
      await writer.flush();
    }
    return (await writer.finish()).outcomes;
  };
  return { write, asked: () => asked };
}

test('a target that refuses each of the first objects is not asked for every message', async () => {
  const { write, asked } = await writing(30, () => 'ExcessHeaderValues');
  const error = await rejection(write());
  expect(isUsage(error) && error).toMatchObject({
    message: expect.stringMatching(/first 20 objects \(ExcessHeaderValues\)/) as string,
  });
  expect(asked()).toBe(20);
});

test.each([
  ['that has accepted one', (nth: number) => (nth === 5 ? undefined : 'InvalidArgument')],
  ['that finds each too large', () => 'EntityTooLarge'],
  ['with another reason each time', (nth: number) => `Code${nth % 2}`],
])('a target %s refuses messages, not all', async (_, codeOf) => {
  const { write } = await writing(60, codeOf);
  const outcomes = await write();
  expect(outcomes).toHaveLength(60);
  expect(outcomes.filter(({ kind }) => kind === 'failed').length).toBeGreaterThan(50);
});
