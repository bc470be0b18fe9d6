import { expect, test } from 'vitest';
import { kindOfFailure, readAwsFailure } from '../../src/core/aws/failure.js';
import { connectionError } from '../../src/core/elasticsearch/faults.js';
import { isFault } from '../../src/core/fault.js';
import { s3Fault } from '../../src/core/objects/s3-faults.js';
import { sqsFault } from '../../src/core/queue/sqs-faults.js';

const coded = (code: string, message = 'as Node says it') =>
  Object.assign(new Error(message), { code });
const ofS3 = (code: string, hasAnswered = false) =>
  s3Fault(coded(code), 'PUT s3://b/k', 'b', { hasAnswered });
const ofSqs = (code: string, hasAnswered = false) =>
  sqsFault(coded(code), 'sqs:SendMessage', { name: 'q' }, false, hasAnswered);
const ofElasticsearch = (code: string) => connectionError(coded(code), 'http://es:9200');

test.each([
  'EAI_AGAIN',
  'EAI_FAIL',
  'ENOTFOUND',
  'ECONNRESET',
  'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
  'ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC',
  'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_INFO',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_HEADERS_OVERFLOW',
])('%s is a connection that broke, whoever it led to', (code) => {
  for (const error of [ofS3(code), ofSqs(code), ofElasticsearch(code)]) {
    expect(isFault(error) && error.class).toBe('retriable');
  }
});

test('an error of the system that Node reports as its own is what the system said', () => {
  const error = Object.assign(coded('ERR_SYSTEM_ERROR'), { info: { code: 'EMFILE' } });
  const fault = s3Fault(error, 'PUT s3://b/k', 'b');
  expect(isFault(fault) && [fault.class, fault.code]).toEqual(['retriable', 'EMFILE']);
});

test.each(['ERR_INVALID_ARG_TYPE', 'UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])(
  '%s stays a bug',
  (code) => {
    expect(readAwsFailure(coded(code), 'S3')).toBeUndefined();
  },
);

test('a TLS handshake that fails is for the user to mend, but not with a server that has answered', () => {
  for (const error of [ofS3('EPROTO'), ofSqs('EPROTO')]) expect(isFault(error)).toBe(false);
  for (const error of [ofS3('EPROTO', true), ofSqs('EPROTO', true)]) {
    expect(isFault(error) && error.class).toBe('retriable');
  }
  const wrong = readAwsFailure(coded('ERR_SSL_WRONG_VERSION_NUMBER'), 'S3');
  expect(wrong && kindOfFailure(wrong, true)).toBe('tls');
});
