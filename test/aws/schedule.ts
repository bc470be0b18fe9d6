import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../../sandbox/lambda/container.js';
import type { LambdaFunction } from '../../sandbox/lambda/function.js';

export interface Schedule {
  /** How each invocation ended, in order. */
  readonly outcomes: readonly Outcome[];
  /** Rejects where it went wrong. */
  readonly ended: Promise<void>;
  /** Resolves when the last one has ended. */
  stop(): Promise<void>;
}

/** Invokes a function again and again as an EventBridge schedule does; the first time at once, and never two at a time. */
export function scheduled(one: LambdaFunction, everyMs: number): Schedule {
  const outcomes: Outcome[] = [];
  const stop = new AbortController();
  const go = async () => {
    while (!stop.signal.aborted) {
      outcomes.push(await one.invoke(eventAt(new Date())));
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  const going = go();
  going.catch(() => stop.abort());
  return {
    outcomes,
    ended: going,
    stop: async () => {
      stop.abort();
      await going;
    },
  };
}

/** As EventBridge makes it for a rule with a rate. */
function eventAt(time: Date) {
  return {
    version: '0',
    id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: '000000000000',
    time: time.toISOString(),
    region: 'us-east-1',
    resources: ['arn:aws:events:us-east-1:000000000000:rule/es-migrate'],
    detail: {},
  };
}
