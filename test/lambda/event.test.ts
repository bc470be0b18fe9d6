import { expect, test } from 'vitest';
import { rangeOf } from '../../src/lambda/event.js';

const RULE = {
  version: '0',
  id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  account: '123456789012',
  time: '2024-10-08T16:53:06Z',
  region: 'us-east-1',
  resources: ['arn:aws:events:us-east-1:123456789012:rule/hourly'],
  detail: {},
};

test.each([
  ['a rule’s', RULE, {}],
  ['an empty one', {}, {}],
  ['none', undefined, {}],
  ['null, which an invocation without a payload may be', null, {}],
  ['one end', { from: '2024-10-01' }, { from: '2024-10-01' }],
  ['a range', { from: '2024-10-01', to: 'now' }, { from: '2024-10-01', to: 'now' }],
])('%s', (_what, event, range) => {
  expect(rangeOf(event)).toEqual(range);
});

test.each([
  ['a mistyped end', { From: '2024-10-01' }, 'has the unknown key "From"'],
  ['one that is none of ours', { from: '2024-10-01', job: 1 }, 'has the unknown key "job"'],
  ['a number', { from: 2024 }, 'has a from that is no string'],
  ['text', '2024-10-01', 'is no JSON object'],
  ['a list', [], 'is no JSON object'],
])('%s is refused: a mistake must not mean everything', (_what, event, why) => {
  expect(() => rangeOf(event)).toThrow(`the event ${why}`);
});
