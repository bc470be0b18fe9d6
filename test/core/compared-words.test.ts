/** What an error means does not depend on the secrets, even where they are words of it; what is shown holds none of them. */
import { expect, test } from 'vitest';
import { explain } from '../../src/commands/failure.js';
import { shownLine } from '../../src/commands/terminal/printable.js';
import { kindOfFailure, readAwsFailure } from '../../src/core/aws/failure.js';
import {
  answeredError,
  connectionError,
  INDEX_CLOSED,
  INDEX_MISSING,
  OUT_OF_MEMORY,
  PIT_LOST,
} from '../../src/core/elasticsearch/faults.js';
import { isFault } from '../../src/core/fault.js';
import { s3Fault } from '../../src/core/objects/s3-faults.js';
import { S3Refusal } from '../../src/core/objects/s3-refusal.js';
import { lacksChecksums, lacksConditions } from '../../src/core/objects/s3-unsupported.js';
import { sqsFault } from '../../src/core/queue/sqs-faults.js';
import { knowSecrets } from '../../src/core/secrets/known.js';
import { mysqlError } from '../../src/core/tracking/faults.js';

const SECRETS = ['index', 'exception', 'Bucket', 'Queue', 'Token', 'expired', 'match', 'checksum'];
SECRETS.push('certificate', 'LOCAL', 'closed', 'denied', 'version', 'content', 'terminated');
SECRETS.push('ECONN', 'SlowDown', 'Error');
knowSecrets(SECRETS);

function elasticsearch(status: number, type: string, reason = 'it says so'): unknown {
  return answeredError(status, {}, Buffer.from(JSON.stringify({ error: { type, reason } })));
}

function refusal(status: number, code: string, message = 'no'): S3Refusal {
  return new S3Refusal(status, {}, `<Code>${code}</Code><Message>${message}</Message>`);
}

function ofSystem(message: string, code?: string): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

/** An error as it is shown, checked for secrets. */
function shown(error: unknown): string {
  const lines = explain(error, false).map(shownLine).join('\n');
  for (const secret of SECRETS) expect(lines.replaceAll('[secret]', '')).not.toContain(secret);
  return lines;
}

test.each([
  [404, INDEX_MISSING],
  [404, PIT_LOST],
  [400, INDEX_CLOSED],
  [429, OUT_OF_MEMORY],
])('Elasticsearch: %i %s is what it is', (status, type) => {
  const error = elasticsearch(status, type);
  expect(isFault(error) && error.code).toBe(type);
  expect(explain(error, false)[0]).toContain('[secret]');
  expect(explain(error, false)[0]).not.toContain('exception');
});

test('Elasticsearch: an index that is being closed, a document that can never be read, a certificate', () => {
  const closing = elasticsearch(403, 'cluster_block_exception', 'blocked by: index closed');
  expect(isFault(closing) && closing.code).toBe(INDEX_CLOSED);
  const unreadable = elasticsearch(500, 'not_x_content_exception');
  expect(isFault(unreadable) && unreadable.class).toBe('request');
  const tls = (message: string) => connectionError(new Error(message), 'https://host');
  expect(tls('certificate has expired')).toMatchObject({ kind: 'usage' });
  expect(tls('no such protocol: wrong version number')).toMatchObject({ kind: 'usage' });
  expect(tls('terminated')).toMatchObject({ class: 'retriable' });
});

test('S3: a missing bucket, a slow one, expired credentials, a header it does not know', () => {
  const missing = s3Fault(refusal(404, 'NoSuchBucket'), 'PUT', 'b');
  expect(missing).toMatchObject({
    kind: 'usage',
    advice: expect.stringMatching(/^Create it/) as unknown,
  });
  const slow = s3Fault(refusal(400, 'SlowDown'), 'PUT', 'b');
  expect(slow).toMatchObject({ class: 'retriable', code: 'SlowDown' });
  expect(s3Fault(refusal(400, 'ExpiredToken'), 'PUT', 'b')).toMatchObject({ class: 'retriable' });
  expect(readAwsFailure(ofSystem('read', 'ECONNRESET'), 'S3')).toMatchObject({
    code: 'ECONNRESET',
  });
  expect(lacksConditions(refusal(501, 'NotImplemented', 'x-amz-x, and if-match'))).toBe(true);
  expect(lacksConditions(refusal(501, 'NotImplemented', 'content-md5'))).toBe(false);
  expect(lacksChecksums(refusal(501, 'NotImplemented', 'x-amz-checksum-sha256'))).toBe(true);
  for (const error of [missing, slow]) expect(shown(error)).toContain('[secret]');
});

test('SQS: a missing queue, whatever stands before its name, and a clock that is off', () => {
  const sdk = (Code: string, message: string) =>
    Object.assign(new Error(message), { Code, $metadata: { httpStatusCode: 400 } });
  for (const code of ['QueueDoesNotExist', 'com.amazonaws.sqs#QueueDoesNotExist']) {
    const error = sqsFault(sdk(code, 'no'), 'sqs:SendMessage', { name: 'q' }, false);
    expect(error).toMatchObject({
      kind: 'usage',
      advice: expect.stringMatching(/^Create it/) as unknown,
    });
    expect(shown(error)).toContain('does not exist');
  }
  const late = readAwsFailure(sdk('InvalidSignatureException', 'Signature expired: now'), 'SQS');
  expect(late && kindOfFailure(late)).toBe('clock');
  expect(late?.message).not.toContain('expired');
});

test('MySQL: a certificate, a version of TLS, a request for a file, a missing permission', () => {
  const tls = mysqlError(ofSystem('unable: certificate has expired', 'HANDSHAKE'));
  expect(tls).toMatchObject({ kind: 'usage', advice: expect.stringMatching(/renewed/) as unknown });
  expect(mysqlError(ofSystem('alert protocol version'))).toMatchObject({ kind: 'usage' });
  expect(mysqlError(ofSystem('LOCAL INFILE is off'))).toMatchObject({ kind: 'usage' });
  expect(mysqlError(ofSystem('in closed state'))).toMatchObject({ class: 'retriable' });
  const ddl = Object.assign(ofSystem('CREATE command denied to user'), { errno: 1142 });
  expect(mysqlError(ddl)).toMatchObject({
    advice: expect.stringMatching(/db migrate first/) as unknown,
  });
  expect(shown(mysqlError(ddl))).toContain('[secret]');
});
