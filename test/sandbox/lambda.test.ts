import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { batchFailures } from '../../sandbox/lambda/batch-failures.js';
import type { Outcome } from '../../sandbox/lambda/container.js';
import { LambdaFunction } from '../../sandbox/lambda/function.js';
import { prepareLambdaRuntime, type LambdaRuntime } from '../../sandbox/lambda/prepare.js';
import { until } from '../support/until.js';
import { BUILD_TIMEOUT_MS } from '../lambda/deployed.js';

const HANDLERS = `
export const echo = async (event, context) => ({
  event, name: context.functionName, arn: context.invokedFunctionArn, hasTime: context.getRemainingTimeInMillis() > 0, pid: process.pid,
});
export const fail = async () => { throw new TypeError('on purpose'); };
export const hang = () => new Promise(() => setInterval(() => undefined, 1000));
export const leave = async () => process.exit(3);
`;

let runtime: LambdaRuntime;
let taskRoot: string;
beforeAll(async () => {
  runtime = await prepareLambdaRuntime((line) => process.stderr.write(`${line}\n`));
  taskRoot = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  await writeFile(join(taskRoot, 'some.mjs'), HANDLERS);
  await writeFile(join(taskRoot, 'broken.mjs'), "throw new Error('not to be loaded')");
}, BUILD_TIMEOUT_MS);
afterAll(() => rm(taskRoot, { recursive: true }));

function functionOf(handler: string, timeoutMs = 60_000): LambdaFunction {
  const one = new LambdaFunction(runtime, { name: 'some', handler, taskRoot, env: {}, timeoutMs });
  onTestFinished(() => one.stop());
  return one;
}

function jsonOf(outcome: Outcome): Record<string, unknown> {
  if (!('body' in outcome)) throw new Error(JSON.stringify(outcome));
  return JSON.parse(outcome.body) as Record<string, unknown>;
}

describe('a function under the real runtime', () => {
  test('is given events and a context, one after the other in the same process', async () => {
    const one = functionOf('some.echo');
    const [first, second] = [await one.invoke({ n: 1 }), await one.invoke({ n: 2 })].map(jsonOf);
    const arn = 'arn:aws:lambda:us-east-1:000000000000:function:some';
    expect(first).toMatchObject({ event: { n: 1 }, name: 'some', arn, hasTime: true });
    expect(second).toMatchObject({ event: { n: 2 }, pid: first?.['pid'] });
  });

  test('has a process for each event at once, and each is frozen when it is done', async () => {
    const one = functionOf('some.echo');
    await Promise.all([one.invoke(1), one.invoke(2)]);
    expect(one.containers).toHaveLength(2);
    for (const { pid } of one.containers)
      await until(async () => /^State:\s+T/m.test(await readFile(`/proc/${pid}/status`, 'utf8')));
  });

  test('may throw, and goes on', async () => {
    const one = functionOf('some.fail');
    for (const number of [1, 2]) {
      const outcome = await one.invoke(number);
      expect(outcome.kind).toBe('threw');
      expect(jsonOf(outcome)).toMatchObject({ errorType: 'TypeError', errorMessage: 'on purpose' });
    }
    expect(one.containers).toHaveLength(1);
  });

  test('is ended at its deadline, or ends by itself, and has another process then', async () => {
    const slow = functionOf('some.hang', 1_000);
    for (const number of [1, 2])
      expect(await slow.invoke(number)).toEqual({
        kind: 'timed-out',
        message: 'Task timed out after 1.00 seconds',
      });
    expect(slow.containers).toHaveLength(2);
    expect(await functionOf('some.leave').invoke(1)).toMatchObject({ kind: 'died' });
  });

  test('that can’t be loaded says why', async () => {
    const outcome = await functionOf('broken.some').invoke(1);
    expect(jsonOf(outcome)).toMatchObject({ errorMessage: 'not to be loaded' });
  });
});

describe('messages that come once more', () => {
  const given = ['a', 'b', 'c'];
  const naming = (...ids: unknown[]) => ({
    batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })),
  });
  test.each([
    ['none named', naming(), []],
    ['a null list', { batchItemFailures: null }, []],
    ['an empty answer', {}, []],
    ['no answer', null, []],
    ['two named', naming('a', 'c'), ['a', 'c']],
    ['an id that was not given', naming('a', 'x'), given],
    ['an empty id', naming(''), given],
    ['no id', naming(null), given],
    ['another key', { batchItemFailures: [{ id: 'a' }] }, given],
    ['no list', { batchItemFailures: 'a' }, given],
  ])('%s', (_what, answer, expected) => {
    const outcome: Outcome = { kind: 'returned', body: JSON.stringify(answer) };
    expect(batchFailures(outcome, given)).toEqual(expected);
  });
  test.each<Outcome>([
    { kind: 'returned', body: 'not JSON' },
    { kind: 'threw', body: '{}' },
    { kind: 'timed-out', message: '' },
    { kind: 'died', code: 137 },
  ])('all of them where it $kind', (outcome) => {
    expect(batchFailures(outcome, given)).toEqual(given);
  });
});
