import { expect, test } from 'vitest';
import { explain } from '../../src/commands/failure.js';
import { shownLine } from '../../src/commands/terminal/printable.js';
import { readAwsFailure } from '../../src/core/aws/failure.js';
import { answeredError, connectionError } from '../../src/core/elasticsearch/faults.js';
import { MigrateError, usage } from '../../src/core/errors.js';
import { Fault } from '../../src/core/fault.js';
import { s3Fault } from '../../src/core/objects/s3-faults.js';
import { S3Refusal } from '../../src/core/objects/s3-refusal.js';
import { mysqlError } from '../../src/core/tracking/faults.js';

/** What makes patterns slow that try each beginning anew; a megabyte of it takes them hours. */
const REPEATED = [' ', 'a', '\n', ' \n', '"', '[', '<', '<Message>', '\t ', '\u2028', '/', '1-'];
const BYTES = 1 << 20;
const hostile = REPEATED.map((one) => `x${one.repeat(BYTES / one.length)}y`);

/** Everything through which a server's text gets in, as an error. */
const ENTRIES: readonly [string, (text: string) => unknown][] = [
  [
    'Elasticsearch, as JSON',
    (text) => {
      const cause = { type: text, reason: text, index: text };
      const body = JSON.stringify({ error: { ...cause, root_cause: [cause] } });
      return answeredError(400, {}, Buffer.from(body));
    },
  ],
  ['Elasticsearch, as text', (text) => answeredError(502, {}, Buffer.from(text))],
  [
    'the way to Elasticsearch',
    (text) => connectionError(named('ConnectionError', text), 'http://x'),
  ],
  ['S3, by the SDK', (text) => s3Fault(ofSdk(text), 'PUT s3://b/k', 'b')],
  [
    'S3, without the SDK',
    (text) => s3Fault(new S3Refusal(400, {}, `<Code>${text}</Code><Message>${text}`), 'PUT', 'b'),
  ],
  ['MySQL, retriable', (text) => mysqlError(ofMysql(1213, text))],
  ['MySQL, refused', (text) => mysqlError(ofMysql(1045, text))],
  ['MySQL, unknown', (text) => mysqlError(ofMysql(60_000, text))],
  ['a library', (text) => new Error(text)],
  ['a thrown text', (text) => text],
  ['a fault of ours', (text) => new Fault('SQS', 'retriable', text, text)],
  ['an error of ours', (text) => usage(text)],
];

function named(name: string, text: string): Error {
  return Object.assign(new Error(text), { name });
}

function ofSdk(text: string): Error {
  return Object.assign(new Error(text), {
    Code: text,
    Header: text,
    Region: text,
    $metadata: { httpStatusCode: 400 },
    $response: { statusCode: 400, headers: { 'x-amz-bucket-region': text } },
  });
}

function ofMysql(errno: number, text: string): Error {
  return Object.assign(new Error(text), { errno, code: 'ER_SOMETHING', sqlState: 'HY000' });
}

test.each(ENTRIES)('a megabyte from %s becomes a few lines at once', (_, entry) => {
  for (const text of hostile) {
    const lines = explain(entry(text), true).map(shownLine);
    const said = lines.filter((line) => !line.startsWith('    at '));
    expect(Math.max(...said.map(({ length }) => length))).toBeLessThan(64 << 10);
    expect(lines.length).toBeLessThan(200);
  }
});

test('a name that a server gives its error is short, printable ASCII', () => {
  const fault = new Fault('S3', 'request', `Slow\nDown\u001b]0;x\u0007é${'x'.repeat(999)}`, 'no');
  expect(fault.code).toMatch(/^[ -~]{1,64}$/);
  expect(readAwsFailure(ofSdk('x'.repeat(999)), 'S3')?.code).toHaveLength(64);
});

test('a line break of data begins no line, one of ours does', () => {
  const forged = 'no index x\nes-migrate: all is well\u2028done\u0085\r\nbye';
  const line = 'no index x es-migrate: all is well done bye';
  expect(new MigrateError('usage', forged).message).toBe(line);
  expect(new MigrateError('usage', [forged, 'second']).message).toBe(`${line}\nsecond`);
  expect(new Fault('S3', 'request', 'x', forged).message).toBe(line);
  const bug = explain(new Error(`${forged}\n    at forged (x.js:1:1)`), true);
  expect(bug[0]).toContain(line);
  expect(bug.slice(1).every((one) => /^(Error: | {4}at |caused by$)/.test(one))).toBe(true);
});
