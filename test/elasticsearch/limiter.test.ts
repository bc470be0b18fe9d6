import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Limiter, type SourceLimit } from '../../src/core/elasticsearch/limiter.js';
import { never } from './support.js';

const TARGET_MS = 2000;

/** A limiter under a clock that only `wait` moves, and what its listener heard. */
function limited(latencyTargetMs = TARGET_MS) {
  let now = 0;
  const heard: (SourceLimit | undefined)[] = [];
  const limiter = new Limiter({
    latencyTargetMs,
    now: () => now,
    onChange: (limit) => heard.push(limit),
  });
  const wait = (ms: number) => {
    now += ms;
  };
  /** `count` requests that are all under way. */
  const send = (count: number) =>
    Array.from({ length: count }, () => {
      expect(limiter.enter(never)).toBeUndefined();
      return limiter.falls;
    });
  /** One after the other, each answered well `afterMs` later. */
  const answerWell = (count: number, afterMs: number) => {
    for (let i = 0; i < count; i += 1) {
      const [falls = 0] = send(1);
      wait(afterMs);
      limiter.answered(falls, afterMs);
      limiter.leave();
    }
  };
  return { limiter, heard, wait, send, answerWell };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('nobody waits, and nothing is told, while all is well', () => {
  const { limiter, heard, send, answerWell } = limited();
  send(1000);
  for (let i = 0; i < 1000; i += 1) limiter.leave();
  answerWell(1000, TARGET_MS);
  expect(limiter.share).toBe(1);
  expect(heard).toEqual([]);
});

describe('a refusal', () => {
  test('halves what may be in flight, once for all that were under way', () => {
    const { limiter, heard, send } = limited();
    for (const falls of send(12)) {
      limiter.refused(falls, 'too many requests');
      limiter.leave();
    }
    expect(heard).toEqual([{ share: 0.5, inFlight: 6, reason: 'too many requests' }]);
    const again = send(6);
    expect(limiter.enter(never)).toBeInstanceOf(Promise);
    for (const falls of again) limiter.refused(falls, 'too little memory');
    expect(limiter.limit).toEqual({ share: 0.25, inFlight: 3, reason: 'too little memory' });
  });

  test('leaves one request in flight and a sixteenth of the rate, however often it comes', () => {
    const { limiter, heard, send } = limited();
    send(4).forEach(() => limiter.leave());
    for (let i = 0; i < 20; i += 1) {
      limiter.refused(limiter.falls, 'too many requests');
    }
    expect(limiter.limit).toMatchObject({ share: 1 / 16, inFlight: 1 });
    expect(heard).toHaveLength(4);
  });

  test('leaves one in flight of hundreds', () => {
    const { limiter, send } = limited();
    send(300).forEach(() => limiter.leave());
    for (let i = 0; i < 20; i += 1) limiter.refused(limiter.falls, 'too many requests');
    expect(limiter.limit?.inFlight).toBe(1);
  });
});

describe('slow answers', () => {
  test('count once they exceed the fast ones by four', () => {
    const { limiter, heard, send } = limited();
    const [falls = 0] = send(12);
    const slowly = () => limiter.answered(falls, TARGET_MS + 1);
    for (let i = 0; i < 3; i += 1) slowly();
    limiter.answered(falls, TARGET_MS);
    slowly();
    expect(heard).toEqual([]);
    slowly();
    expect(heard).toEqual([{ share: 0.5, inFlight: 6, reason: 'slow answers' }]);
    // Those were sent when there were too many.
    for (let i = 0; i < 6; i += 1) slowly();
    expect(heard).toHaveLength(1);
  });

  test('are not looked for where the target is 0', () => {
    const { limiter, heard, send } = limited(0);
    for (const falls of send(100)) limiter.answered(falls, 3_600_000);
    expect(heard).toEqual([]);
    limiter.refused(0, 'too many requests');
    expect(limiter.share).toBe(0.5);
  });

  test('keep the share from growing', () => {
    const { limiter, wait, answerWell } = limited();
    limiter.refused(0, 'too many requests');
    for (let i = 0; i < 20; i += 1) {
      wait(600);
      limiter.answered(limiter.falls, TARGET_MS + 1);
      answerWell(4, 100);
    }
    expect(limiter.share).toBe(0.5);
  });
});

describe('recovery', () => {
  test('takes a second of good answers a sixteenth, and ends the limit', () => {
    const { limiter, heard, answerWell } = limited();
    limiter.refused(0, 'too many requests');
    answerWell(10, 100);
    expect(heard.map((limit) => limit?.share)).toEqual([0.5, 0.5625]);
    answerWell(70, 100);
    expect(heard.at(-1)).toBeUndefined();
    expect(heard).toHaveLength(9);
    expect(limiter.share).toBe(1);
  });

  test('needs answers, not time alone, as long as there is something to do', () => {
    const { limiter, wait, answerWell } = limited();
    limiter.refused(0, 'too many requests');
    wait(3_600_000);
    answerWell(1, 0);
    expect(limiter.share).toBe(0.5625);
  });

  test('a limit that has nothing to limit for a minute is lifted', () => {
    const { limiter, heard, wait, send } = limited();
    send(1);
    limiter.refused(0, 'too many requests');
    wait(3_600_000);
    limiter.liftIfIdle();
    expect(limiter.share).toBe(0.5);
    limiter.leave();
    wait(60_000);
    limiter.liftIfIdle();
    expect(limiter.share).toBe(0.5);
    wait(1);
    limiter.liftIfIdle();
    expect(heard.at(-1)).toBeUndefined();
    expect(limiter.share).toBe(1);
  });
});

test('who waits enters in the order of asking, and can be stopped', async () => {
  const { limiter, send } = limited();
  send(2);
  limiter.refused(0, 'too many requests');
  limiter.leave();
  const stop = new AbortController();
  const entered: string[] = [];
  void limiter.enter(never)?.then(() => entered.push('a'));
  const stopped = limiter.enter(stop.signal);
  void limiter.enter(never)?.then(() => entered.push('c'));
  stop.abort(new Error('stopped'));
  await expect(stopped).rejects.toThrow('stopped');
  expect(entered).toEqual([]);
  limiter.leave();
  await turn();
  expect(entered).toEqual(['a']);
  limiter.leave();
  await turn();
  expect(entered).toEqual(['a', 'c']);
  await expect(Promise.resolve(limiter.enter(stop.signal))).rejects.toThrow('stopped');
});

describe('whatever happens', () => {
  type Step =
    | { readonly do: 'enter' }
    | { readonly do: 'wait'; readonly ms: number }
    | { readonly do: 'stop'; readonly which: number }
    | { readonly do: 'end'; readonly which: number; readonly how: 'good' | 'slow' | 'refused' };
  const which = fc.nat(40);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('enter' as const) }) },
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(1500) }),
    fc.record({ do: fc.constant('stop' as const), which }),
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        which,
        how: fc.constantFrom('good', 'good', 'slow', 'refused'),
      }),
    },
  );

  test('it never admits too many, never forgets a waiter, and lifts the limit in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
        const { limiter, wait, answerWell } = limited();
        const inFlight: number[] = [];
        const waiting: AbortController[] = [];
        let most = 1;
        let share = 1;
        const check = () => {
          const { limit } = limiter;
          const fell = [share / 2, 1 / 16, 1 / most].includes(limiter.share);
          expect(limiter.share === share || fell || limiter.share > share).toBe(true);
          expect(limiter.share).toBeLessThanOrEqual(share + 1 / 16);
          ({ share } = limiter);
          expect(limit?.inFlight ?? 1).toBeGreaterThanOrEqual(1);
          // Somebody waits only where as many are under way as may be.
          if (waiting.length > 0)
            expect(inFlight.length).toBeGreaterThanOrEqual(limit?.inFlight ?? 0);
          if (waiting.length > 0) expect(limit).toBeDefined();
        };
        const enter = () => {
          const stop = new AbortController();
          const before = inFlight.length;
          const entering = limiter.enter(stop.signal);
          if (!entering) {
            inFlight.push(limiter.falls);
            expect(before).toBeLessThan(limiter.limit?.inFlight ?? Infinity);
            if (!limiter.limit) most = Math.max(most, inFlight.length);
            return;
          }
          waiting.push(stop);
          entering.then(
            () => {
              expect(waiting.shift()).toBe(stop);
              inFlight.push(limiter.falls);
              if (!limiter.limit) most = Math.max(most, inFlight.length);
            },
            () => waiting.splice(waiting.indexOf(stop), 1),
          );
        };
        const end = (index: number, how: 'good' | 'slow' | 'refused') => {
          const [falls] = inFlight.splice(index % Math.max(1, inFlight.length), 1);
          if (falls === undefined) return;
          if (how === 'refused') limiter.refused(falls, 'too many requests');
          else limiter.answered(falls, how === 'slow' ? TARGET_MS + 1 : 10);
          limiter.leave();
        };
        for (const one of steps) {
          if (one.do === 'enter') enter();
          else if (one.do === 'wait') wait(one.ms);
          else if (one.do === 'stop') waiting[one.which % Math.max(1, waiting.length)]?.abort();
          else end(one.which, one.how);
          await turn();
          check();
        }
        while (inFlight.length > 0) {
          end(0, 'good');
          await turn();
        }
        expect(waiting).toEqual([]);
        answerWell(170, 100);
        expect(limiter.limit).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});
