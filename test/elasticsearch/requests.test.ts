import { describe, expect, onTestFinished, test } from 'vitest';
import { openSource, type Source } from '../../src/core/elasticsearch/source.js';
import type { RunEvent } from '../../src/core/run.js';
import { inspected, MIB, never, rejection, settings } from './support.js';
import { json, troubled, type Answer } from './troubled.js';

const hit = '{"_index":"messages","_id":"a","_source":{"n":1.10}}';
const whole = `{"_shards":{"total":1,"successful":1,"failed":0},"hits":{"hits":[${hit}]}}`;
const found = json(200, whole);
const errorBody = (type: string, reason = 'r') =>
  JSON.stringify({ error: { root_cause: [{ type, reason }], type, reason } });

function open(url: string, retryForMs = 10_000): { source: Source; events: RunEvent[] } {
  const events: RunEvent[] = [];
  const source = openSource(
    settings({ urls: [url] }),
    { sourceRequestsPerSecond: 0, sourceLoad: 0, sourceLatencyTargetMs: 0, maxInFlightBytes: 0 },
    {
      retryForMs,
      report: (event) => {
        if (event.type === 'log') events.push(event);
      },
    },
  );
  onTestFinished(() => source.close());
  return { source, events };
}

const ask = (source: Source, signal = never, maxBytes = MIB) =>
  source.messages('messages', { ids: ['a'], maxBytes, signal });

describe('is asked again', () => {
  test.each<[string, Answer]>([
    ['429', json(429, errorBody('es_rejected_execution_exception'))],
    ['429 that asks to wait', json(429, '{}', { 'retry-after': '0.05' })],
    ['503', json(503, errorBody('no_shard_available_action_exception'))],
    ['502 of a proxy', json(502, '<html>bad gateway</html>')],
    ['failed shards', json(200, '{"_shards":{"total":2,"failed":1},"hits":{"hits":[]}}')],
    ['a timeout of its own', json(200, `{"timed_out":true,${whole.slice(1)}`)],
    ['half a body that says it is whole', json(200, whole.slice(0, -9))],
    [
      'a body that is cut off',
      (response) => {
        response.writeHead(200, { 'content-length': String(whole.length) });
        response.write(whole.slice(0, -9), () => response.destroy());
      },
    ],
    ['a connection that is closed', (response) => response.destroy()],
  ])('%s', async (_, trouble) => {
    const { url, paths } = await troubled(trouble, found);
    const { source, events } = open(url);
    const answer = await ask(source);
    expect(answer.kind === 'hits' && answer.hits[0]?.source?.toString()).toBe('{"n":1.10}');
    expect(paths).toHaveLength(2);
    expect(events).toHaveLength(1);
  });

  test('but not for ever', async () => {
    const { url } = await troubled(json(503, errorBody('cluster_block_exception', 'no master')));
    const { source } = open(url, 300);
    expect(await rejection(ask(source))).toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(
        /^Elasticsearch was down for \d s: Elasticsearch answered 503: cluster_block_exception: no master$/,
      ) as string,
    });
  });

  test('nobody there: the message names the address', async () => {
    const { source } = open('http://127.0.0.1:9', 300);
    const error = await rejection(ask(source));
    expect(error).toMatchObject({ kind: 'unavailable' });
    expect((error as Error).message).toMatch(
      /cannot reach Elasticsearch at http:\/\/127.0.0.1:9: \S/,
    );
  });
});

describe('is not asked again', () => {
  test('a request that is refused', async () => {
    const { url, paths } = await troubled(json(400, errorBody('parsing_exception', 'bad')));
    expect(await rejection(ask(open(url).source))).toMatchObject({
      name: 'Fault',
      class: 'request',
      code: 'parsing_exception',
      message: 'Elasticsearch answered 400: parsing_exception: bad',
    });
    expect(paths).toHaveLength(1);
  });

  test.each([
    [401, 'Elasticsearch refused the credentials (401)'],
    [403, 'Elasticsearch does not allow this (403): security_exception: r'],
  ])('%i, which only the user can help', async (status, message) => {
    const { url, paths } = await troubled(json(status, errorBody('security_exception')));
    expect(await rejection(ask(open(url).source))).toMatchObject({ kind: 'usage', message });
    expect(paths).toHaveLength(1);
  });

  test("a page too large for the server's memory", async () => {
    const breaker = json(429, errorBody('circuit_breaking_exception'));
    const { url, paths } = await troubled(breaker);
    const tooLarge = { kind: 'too-large', reason: 'server-memory' };
    expect(await ask(open(url).source)).toEqual(tooLarge);
    expect(paths).toHaveLength(1);
  });

  test('nor where a shard says so in an answer of 200', async () => {
    const failures = '[{"reason":{"type":"circuit_breaking_exception"}}]';
    const shards = `{"total":2,"failed":1,"failures":${failures}}`;
    const { url, paths } = await troubled(json(200, `{"_shards":${shards},"hits":{"hits":[]}}`));
    const tooLarge = { kind: 'too-large', reason: 'server-memory' };
    expect(await ask(open(url).source)).toEqual(tooLarge);
    expect(paths).toHaveLength(1);
  });

  test('an answer longer than the limit, whose rest is not read', async () => {
    const { url, paths } = await troubled((response) => {
      response.writeHead(200, { 'content-length': String(10 * MIB) });
      response.write(Buffer.alloc(MIB + 1, ' '));
    });
    expect(await ask(open(url).source)).toEqual({ kind: 'too-large', reason: 'bytes' });
    expect(paths).toHaveLength(1);
  });

  test('a lost point in time, even where other shards ask for a retry', async () => {
    const { url, paths } = await troubled(json(503, errorBody('search_context_missing_exception')));
    const page = await open(url).source.readPage({
      pitId: 'p',
      interval: { from: 0, to: 1 },
      slice: 0,
      slices: 1,
      searchAfter: undefined,
      signal: never,
    });
    expect(page).toBe('pit-lost');
    expect(paths).toHaveLength(1);
  });
});

describe('aborting ends a request at once, with the reason', () => {
  test.each<[string, Answer]>([
    ['that is not answered', () => undefined],
    [
      'whose body does not end',
      (response) => {
        response.writeHead(200);
        response.write(whole.slice(0, 20));
      },
    ],
  ])('%s', async (_, silence) => {
    const stop = new AbortController();
    const { url, paths } = await troubled((response, request) => {
      silence(response, request, '');
      setImmediate(() => stop.abort(new Error('stopped')));
    });
    await expect(ask(open(url).source, stop.signal)).rejects.toThrow('stopped');
    expect(paths).toHaveLength(1);
  });
});

test('whatever answers with something else than JSON is said not to be Elasticsearch', async () => {
  const { url } = await troubled(json(200, '<html>welcome</html>'));
  expect(await rejection(open(url).source.inspect(never))).toMatchObject({
    kind: 'usage',
    message: `what answers at ${url} is not Elasticsearch: its answer is not JSON`,
    advice: 'Correct source.url.',
  });
});

describe("the records of one message, where the server's memory or the point in time fails", () => {
  const index = inspected('history', 'history');
  const page = (ids: string[]) =>
    `{"_shards":{"total":1,"successful":1,"failed":0},"hits":{"total":{"value":2,"relation":"eq"},"hits":[${ids
      .map((id) => `{"_index":"history","_id":"${id}","_source":{},"sort":["${id}"]}`)
      .join(',')}]}}`;
  const breaker = json(429, errorBody('circuit_breaking_exception'));

  /** Answers for opening and closing the point in time; searches go to `search`. */
  const server = (search: Answer) =>
    troubled((response, request, body) => {
      const pit = request.url?.includes('_pit');
      (pit ? json(200, '{"id":"p"}') : search)(response, request, body);
    });
  const readAll = async (source: Source) => {
    const ids = [];
    for await (const hits of source.recordPages(index, [['m']], { maxBytes: MIB, signal: never })) {
      ids.push(...hits.map(({ id }) => id));
    }
    return ids;
  };
  interface Search {
    size: number;
    _source?: boolean;
    search_after?: unknown[];
  }

  test('a page is halved until the server takes it', async () => {
    const sizes: number[] = [];
    const { url } = await server((response, request, body) => {
      const { size, search_after: after } = JSON.parse(body) as Search;
      sizes.push(size);
      const answer = size > 20 ? breaker : json(200, page(after ? [] : ['a', 'b']));
      answer(response, request, body);
    });
    expect(await readAll(open(url).source)).toEqual(['a', 'b']);
    expect(sizes.slice(0, 4)).toEqual([100, 50, 25, 13]);
  });

  test('a record refused alone is too large only once the server answers again', async () => {
    let recovered = false;
    const { url } = await server((response, request, body) => {
      const { size, _source: wanted, search_after: after } = JSON.parse(body) as Search;
      if (wanted === false) recovered = true;
      const answer = recovered && size === 1 ? json(200, page(after ? [] : ['a', 'b'])) : breaker;
      answer(response, request, body);
    });
    expect(await readAll(open(url).source)).toEqual(['a', 'b']);
    expect(recovered).toBe(true);
  });

  test('and is too large where it is refused after that', async () => {
    const { url } = await server((response, request, body) => {
      const { _source: wanted } = JSON.parse(body) as Search;
      (wanted === false ? json(200, page(['a'])) : breaker)(response, request, body);
    });
    expect(await rejection(readAll(open(url).source))).toMatchObject({ code: 'too_large' });
  });

  test.each<[string, Answer]>([
    ['a lost point in time', json(404, errorBody('search_context_missing_exception'))],
    ['fewer records than counted', json(200, page([]))],
  ])('%s is a broken read, and the point in time is closed', async (_, second) => {
    const { url, paths } = await server((response, request, body) => {
      const { search_after: after } = JSON.parse(body) as Search;
      (after ? second : json(200, page(['a'])))(response, request, body);
    });
    expect(await rejection(readAll(open(url).source))).toMatchObject({ code: 'broken_read' });
    expect(paths.at(-1)).toBe('DELETE /_pit');
  });
});
