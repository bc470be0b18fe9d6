import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, expect, test, onTestFinished } from 'vitest';
import type { SourceLimit } from '../../src/core/elasticsearch/limiter.js';
import { openSource, type Source } from '../../src/core/elasticsearch/source.js';
import { refusedBy } from '../faults/rules.js';
import { startHttpProxy, type Action, type HttpProxy } from '../support/proxies/http-proxy.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { until } from '../support/until.js';
import { createIndex, es, MIB, never, put, refresh, settings } from './support.js';
import { json, troubled, type Answer } from './troubled.js';

const READERS = 12;
const index = `${freshIndexPrefix()}messages`;
const REFUSED = refusedBy(429, 'es_rejected_execution_exception');

beforeAll(async () => {
  await createIndex(index, {});
  await put(index, 'a', '{"n":1}');
  await refresh(index);
});
afterAll(() => es('DELETE', `/${index}`));

interface Scene {
  readonly source: Source;
  readonly proxy: HttpProxy;
  /** Every change of the limit so far. */
  readonly limits: (SourceLimit | undefined)[];
  /** Most requests that were at the proxy at once since `forget`. */
  readonly most: () => number;
  readonly forget: () => void;
  /** What the proxy does with each request. */
  readonly act: (action: Action) => void;
}

/** Twelve readers who ask again as soon as they are answered, until the test is over. */
async function reading(sourceLatencyTargetMs: number): Promise<Scene> {
  const proxy = await startHttpProxy(sandbox().elasticsearch.url);
  const limits: (SourceLimit | undefined)[] = [];
  let most = 0;
  let action: Action = { do: 'delay', ms: 20 };
  proxy.use(() => {
    most = Math.max(most, proxy.inFlight);
    return action;
  });
  const source = openSource(
    settings({ urls: [proxy.url], index }),
    { sourceRequestsPerSecond: 0, sourceLoad: 0, sourceLatencyTargetMs, maxInFlightBytes: 0 },
    { retryForMs: 120_000, report: () => undefined },
    (limit) => limits.push(limit),
  );
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const request = { ids: ['a'], maxBytes: MIB, signal: stop.signal };
  const readers = Array.from({ length: READERS }, async () => {
    while (!stop.signal.aborted) {
      const answer = await source.messages(index, request);
      expect(answer).toMatchObject({ kind: 'hits', hits: [{ id: 'a' }] });
    }
  });
  onTestFinished(async () => {
    stop.abort(new Error('the test is over'));
    const ended = await Promise.allSettled(readers);
    await source.close();
    await proxy.close();
    for (const one of ended)
      if (one.status === 'rejected') expect(String(one.reason)).toMatch(/the test is over/);
  });
  return {
    source,
    proxy,
    limits,
    most: () => most,
    forget: () => (most = 0),
    act: (other) => (action = other),
  };
}

async function recovers({ limits, most, forget, act, proxy }: Scene): Promise<void> {
  act({ do: 'delay', ms: 20 });
  await until(() => limits.at(-1) === undefined, 'the end of the limit');
  forget();
  await until(() => most() === READERS, 'as many requests as before');
  expect(proxy.inFlight).toBeLessThanOrEqual(READERS);
}

test('refusals: fewer are in flight at once, down to one, and as many as before once they are over', async () => {
  const scene = await reading(0);
  const { limits, most, forget, act, proxy } = scene;
  await until(() => most() === READERS, 'twelve requests at once');
  expect(limits).toEqual([]);

  act(REFUSED);
  await until(() => limits.some((limit) => limit?.inFlight === 1), 'one in flight');
  // The rate may have been halved once more by the time this looks.
  expect(limits.slice(0, 3).map((limit) => limit?.inFlight)).toEqual([6, 3, 1]);
  expect(limits.at(-1)?.reason).toBe('too many requests');

  // Those of before have to be out of the way: then what is there is what was let through.
  await until(() => proxy.inFlight <= 1, 'the end of what was under way');
  forget();
  const asked = proxy.requests.length;
  await until(() => proxy.requests.length >= asked + 5, 'five more requests');
  expect(most()).toBe(1);

  await recovers(scene);
}, 90_000);

test('slow answers do the same', async () => {
  const scene = await reading(500);
  const { limits, most, forget, act, proxy } = scene;
  await until(() => most() === READERS, 'twelve requests at once');

  act({ do: 'delay', ms: 600 });
  await until(() => limits.some((limit) => limit?.inFlight === 3), 'three in flight');
  expect(limits.every((limit) => limit?.reason === 'slow answers')).toBe(true);
  await until(() => proxy.inFlight <= 3, 'the end of what was under way');
  forget();
  const asked = proxy.requests.length;
  await until(() => proxy.requests.length >= asked + 5, 'five more requests');
  expect(most()).toBeLessThanOrEqual(3);

  await recovers(scene);
}, 90_000);

const whole = '{"_shards":{"total":1,"successful":1,"failed":0},"hits":{"hits":[]}}';
const error = (type: string) => JSON.stringify({ error: { type, reason: 'r' } });
const failedShard = (type: string) =>
  `{"_shards":{"total":2,"failed":1,"failures":[{"reason":{"type":"${type}"}}]},"hits":{"hits":[]}}`;

test.each<[string, Answer, string | undefined]>([
  ['429', json(429, error('es_rejected_execution_exception')), 'too many requests'],
  ['429 of OpenSearch', json(429, error('rejected_execution_exception')), 'too many requests'],
  ['429 of a gateway', json(429, '<html>slow down</html>'), 'too many requests'],
  ['429 of a breaker', json(429, error('circuit_breaking_exception')), 'too little memory'],
  ['a shard', json(200, failedShard('es_rejected_execution_exception')), 'too many requests'],
  ["a shard's breaker", json(200, failedShard('circuit_breaking_exception')), 'too little memory'],
  ['503', json(503, error('no_shard_available_action_exception')), undefined],
  ['500', json(500, error('null_pointer_exception')), undefined],
  ['a closed connection', (response) => response.destroy(), undefined],
])('what is a refusal, and why: %s', async (_, answer, reason) => {
  const { url } = await troubled(answer, json(200, whole));
  const heard: (SourceLimit | undefined)[] = [];
  const source = openSource(
    settings({ urls: [url] }),
    { sourceRequestsPerSecond: 0, sourceLoad: 0, sourceLatencyTargetMs: 0, maxInFlightBytes: 0 },
    { retryForMs: 10_000, report: () => undefined },
    (limit) => heard.push(limit),
  );
  onTestFinished(() => source.close());
  await source.messages('messages', { ids: ['a'], maxBytes: MIB, signal: never });
  expect(heard.map((limit) => limit?.reason)).toEqual(reason === undefined ? [] : [reason]);
});
