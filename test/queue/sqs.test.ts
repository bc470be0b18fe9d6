import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { PolledInbox } from '../../src/core/queue/inbox.js';
import { sqsFault } from '../../src/core/queue/sqs-faults.js';
import { openSqs } from '../../src/core/queue/sqs.js';
import type { Queue } from '../../src/core/queue/queue.js';
import { parseBody } from '../../src/core/queue/message.js';
import { sandboxCredentials } from '../objects/s3.js';
import { rejection } from '../objects/contents.js';
import { freePorts } from '../../sandbox/ports.js';
import { freshQueue, message, NO_MESSAGES, type FreshQueue } from './queues.js';

beforeEach(sandboxCredentials);

const never = new AbortController().signal;

function open({ url, region }: Pick<FreshQueue, 'url' | 'region'>, retryForMs = 5_000): Queue {
  const queue = openSqs({ url, region }, { retryForMs, report: () => undefined });
  onTestFinished(() => queue.close());
  return queue;
}

async function deadLettersOf(fresh: FreshQueue): Promise<string | undefined> {
  const queue = open(fresh);
  return queue.findDeadLetters(await queue.state(never), never);
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test('what is sent is received, each message by one reader', async () => {
  const fresh = await freshQueue();
  const queue = open(fresh);
  await queue.send(
    numbers(23).map((n) => message(n)),
    0,
    never,
  );
  const seen: number[] = [];
  for (let i = 0; i < 23; i += 1) {
    const delivery = await queue.receive(30, never);
    const said = parseBody(delivery?.body ?? '');
    expect(said).toMatchObject({ databaseId: 'some database', jobId: 1, attempt: 1 });
    expect(delivery?.receives).toBe(1);
    if ('batchId' in said) seen.push(said.batchId);
    if (delivery) await queue.delete(delivery);
  }
  expect(seen.sort((a, b) => a - b)).toEqual(numbers(23));
  expect(await fresh.counts()).toEqual(NO_MESSAGES);
});

test('a message that nobody deletes comes again, and counts its receipts', async () => {
  const fresh = await freshQueue();
  const queue = open(fresh);
  await queue.send([message(1)], 0, never);
  expect(await queue.receive(1, never)).toMatchObject({ receives: 1 });
  const second = await queue.receive(600, never);
  expect(second).toMatchObject({ receives: 2 });
  if (second) await queue.extend(second, 0);
  expect(await queue.receive(600, never)).toMatchObject({ receives: 3 });
});

test('a delayed message waits', async () => {
  const fresh = await freshQueue();
  await open(fresh).send([message(1)], 600, never);
  expect(await fresh.counts()).toEqual({ waiting: 0, inFlight: 0, delayed: 1 });
});

test('a buried one lies in the dead-letter queue with its reason', async () => {
  const fresh = await freshQueue();
  const queue = open(fresh);
  await fresh.put('nonsense');
  const delivery = await queue.receive(60, never);
  expect(delivery && (await queue.bury(delivery, 'it is not JSON'))).toBe(true);
  expect(await fresh.counts()).toEqual(NO_MESSAGES);
  const [dead] = await fresh.drain(fresh.deadLettersUrl);
  expect(dead).toMatchObject({
    Body: 'nonsense',
    MessageAttributes: { reason: { StringValue: 'it is not JSON' } },
  });
});

test('it tells its limits and how many messages it holds', async () => {
  const fresh = await freshQueue({ maxReceives: 7 });
  const queue = open(fresh);
  await queue.send([message(1), message(2)], 0, never);
  await queue.send([message(3)], 900, never);
  await queue.receive(60, never);
  expect(await queue.state(never)).toEqual({
    maxReceives: 7,
    deadLetters: expect.stringMatching(/^arn:aws:sqs:.*-dead$/) as string,
    // ElasticMQ does not say: the longest there is.
    retentionSeconds: 1_209_600,
    messages: 3,
  });
});

test('a wait for messages ends at once when the run is to stop', async () => {
  const queue = open(await freshQueue());
  const stop = new AbortController();
  const waiting = rejection(queue.receive(60, stop.signal));
  stop.abort(new Error('stop'));
  expect(await waiting).toBeInstanceOf(Error);
});

test('it knows whether it has a dead-letter queue', async () => {
  const [some, none] = [await freshQueue(), await freshQueue({ redrive: false })];
  expect(await deadLettersOf(some)).toBe(some.deadLettersUrl);
  expect(await deadLettersOf(none)).toBeUndefined();
});

test('where there is none, what nobody can use is deleted', async () => {
  const fresh = await freshQueue({ redrive: false });
  const queue = open(fresh);
  await fresh.put('nonsense');
  const delivery = await queue.receive(60, never);
  expect(delivery && (await queue.bury(delivery, 'it is not JSON'))).toBe(false);
  expect(await fresh.counts()).toEqual(NO_MESSAGES);
});

test('without time nothing is received', async () => {
  const fresh = await freshQueue();
  await fresh.put('nonsense');
  const inbox = new PolledInbox(open(fresh));
  expect(await inbox.receive(60, 0, never)).toBeUndefined();
  expect(await fresh.counts()).toEqual({ ...NO_MESSAGES, waiting: 1 });
});

describe('what is wrong is told', () => {
  test('a dead-letter queue that is not there', async () => {
    const fresh = await freshQueue();
    await fresh.dropDeadLetters();
    expect(await rejection(deadLettersOf(fresh))).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(
        /^the dead-letter queue test-\w+-dead does not exist/,
      ) as string,
      advice: expect.stringContaining('redrive policy') as string,
    });
  });

  test('credentials that nobody gave', async () => {
    const fresh = await freshQueue();
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    expect(await rejection(open(fresh, 60_000).state(never))).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(
        `^no AWS credentials were found for the queue ${fresh.url}: `,
      ) as string,
    });
  });

  test.each([
    [
      'Credential should be scoped to a valid region.',
      'SQS refused the credentials',
      'queue.region',
    ],
    ['Signature expired: 20241001T100000Z is now earlier than …', 'clock is off', 'Set the clock'],
    ['Signature not yet current: 20241001T100000Z is …', 'clock is off', 'Set the clock'],
  ])('a signature that AWS does not take: %s', (said, message, advice) => {
    const refused = Object.assign(new Error(said), {
      name: 'InvalidSignatureException',
      $metadata: { httpStatusCode: 403 },
    });
    expect(sqsFault(refused, 'sqs:ReceiveMessage', { name: 'batches' }, false)).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(message) as string,
      advice: expect.stringContaining(advice) as string,
    });
  });

  test('a queue that is not there', async () => {
    const fresh = await freshQueue();
    const error = await rejection(open({ ...fresh, url: `${fresh.url}-none` }).state(never));
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('does not exist') as string,
    });
  });

  test('a region that nobody names', async () => {
    const { url } = await freshQueue();
    const queue = openSqs({ url }, { retryForMs: 500, report: () => undefined });
    onTestFinished(() => queue.close());
    expect(await rejection(queue.state(never))).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('no region') as string,
    });
  });

  test('a server that is not there', async () => {
    const fresh = await freshQueue();
    const url = `http://127.0.0.1:${String(await freePorts(1))}/000000000000/none`;
    const error = await rejection(open({ ...fresh, url }, 500).send([message(1)], 0, never));
    expect(error).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('SQS was down') as string,
    });
  });
});

test.each([
  ['nonsense', 'not JSON'],
  ['null', 'no message of es-migrate'],
  ['{"Records":[]}', 'no message of es-migrate'],
  ['{"esMigrate":2,"database":"d","job":1,"batch":1}', 'another version than 1'],
  ['{"esMigrate":1,"job":1,"batch":1}', 'no database'],
  ['{"esMigrate":1,"database":"d","batch":1}', 'no job'],
  ['{"esMigrate":1,"database":"d","job":1,"batch":"1; DROP TABLE"}', 'no batch'],
  ['{"esMigrate":1,"database":"d","job":1,"batch":-1}', 'no batch'],
])('a body that is none of ours: %s', (body, why) => {
  expect(parseBody(body)).toEqual({ wrong: expect.stringContaining(why) as string });
});
