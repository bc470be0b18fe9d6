import {
  kindOfFailure,
  readAwsFailure,
  type AwsFailure,
  type FailureKind,
} from '../aws/failure.js';
import { usage } from '../errors.js';
import { NOT_FROM_S3, notFromS3 } from './s3-answer.js';
import { Fault, isForeseen } from '../fault.js';

/** What is known of a failed request to S3. */
export interface S3Failure extends AwsFailure {
  /** What it is about; `place`: the bucket is not there, or elsewhere; `unsupported`: the server has no such thing. */
  readonly kind: FailureKind | 'place' | 'unsupported';
}

// versitygw's word for InvalidAccessKeyId.
const credentials = new Set(['XAdminUserNotFound']);
const access = new Set(['AllAccessDisabled']);
const place = new Set([
  'NoSuchBucket',
  'PermanentRedirect',
  'IllegalLocationConstraintException',
  'InvalidBucketName',
]);
const retriable = new Set([
  'SlowDown',
  'SlowDownWrite',
  'SlowDownRead',
  'OperationAborted',
  'ConditionalRequestConflict',
  'IncompleteBody',
  NOT_FROM_S3,
  // Somebody aborted the upload these parts belonged to.
  'NoSuchUpload',
  // The body was damaged on its way.
  'BadDigest',
  'InvalidDigest',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
]);

/**
 * Reads an error of a request to S3, or an S3Refusal. Undefined as for {@link readAwsFailure}; `hasAnswered` as for
 * {@link kindOfFailure}.
 */
export function readFailure(error: unknown, hasAnswered = false): S3Failure | undefined {
  const failure = readAwsFailure(error, 'S3');
  return failure && { ...failure, kind: kindOf(failure, hasAnswered) };
}

/**
 * What an error means for a run that uses `bucket`. Bugs, aborts and what was mapped before come back as they
 * are. `what` names the request, such as `PUT s3://bucket/key`, `advice` which permission it needs, `hasAnswered` as for
 * {@link kindOfFailure}.
 */
export function s3Fault(
  error: unknown,
  what: string,
  bucket: string,
  { advice, hasAnswered }: { advice?: string | undefined; hasAnswered?: boolean } = {},
): unknown {
  if (isForeseen(error)) return error;
  const failure = readFailure(error, hasAnswered);
  if (failure === undefined) return error;
  const { kind, code, status, message, retryAfterMs } = failure;
  if (isUnreadable(failure)) return notFromS3(what, 'XML that can be read');
  // Without a word of S3's: something before it, or another server.
  if (kind === 'request' && isRedirected(failure)) {
    return hasAnswered === true
      ? new Fault('S3', 'retriable', code, `${what}: ${message}`, { retryAfterMs, status })
      : usage(`${what}: ${message}`, 'Correct target.endpoint or target.region.');
  }
  if (kind === 'retriable' || kind === 'request') {
    return new Fault('S3', kind, code, `${what}: ${message}`, { retryAfterMs, status });
  }
  return s3UsageError(failure, kind, what, bucket, advice);
}

/** The one clear line for what only the user can change. */
export function s3UsageError(
  failure: S3Failure,
  kind: Exclude<S3Failure['kind'], 'retriable' | 'request'>,
  what: string,
  bucket: string,
  advice = 'Grant s3:PutObject, s3:GetObject and s3:AbortMultipartUpload below the prefix and s3:ListBucket on the bucket; with SSE-KMS also the use of the key. For a bucket whose requester pays, set target.requesterPays: true. Where target.bucketOwner is set, the bucket has to belong to that account.',
): Error {
  const { code, region } = failure;
  switch (kind) {
    case 'credentials':
      return code === 'AuthorizationHeaderMalformed' && region !== undefined
        ? wrongRegion(bucket, region)
        : usage(
            `S3 refused the credentials (${code}) for bucket ${bucket}`,
            'Check the AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role.',
          );
    case 'access':
      return usage(`S3 denied ${what} (${code})`, advice);
    case 'place':
      if (code !== 'NoSuchBucket' && code !== 'InvalidBucketName')
        return wrongRegion(bucket, region);
      return usage(
        `The bucket ${bucket} does not exist (${code})`,
        'Create it, or correct target.url, target.region or target.endpoint.',
      );
    case 'unsupported':
      return usage(
        `The store cannot do what ${what} asks for: ${failure.message}`,
        'Check target.endpoint, and update the store or choose another.',
      );
    case 'clock':
      return usage(
        `S3 refused ${what}: this machine's clock is off (${code})`,
        'Set the clock (NTP), then start again.',
      );
    case 'tls':
      return usage(
        `The TLS connection to S3 failed: ${failure.message}`,
        'Set target.caFile to the certificate authority of the endpoint, and check target.endpoint.',
      );
  }
}

function kindOf(failure: AwsFailure, hasAnswered: boolean): S3Failure['kind'] {
  const { code, status } = failure;
  if (retriable.has(code) || isUnreadable(failure)) return 'retriable';
  if (credentials.has(code)) return 'credentials';
  if (access.has(code)) return 'access';
  if (place.has(code)) return 'place';
  if (status === 501) return 'unsupported';
  const kind = kindOfFailure(failure, hasAnswered);
  const isElsewhere = (status === 301 || status === 307) && !isRedirected(failure);
  return kind === 'request' && isElsewhere ? 'place' : kind;
}

/** Without a region: it leads to another server, as far as anybody can tell. */
function isRedirected({ redirect, region }: Pick<AwsFailure, 'redirect' | 'region'>): boolean {
  return redirect !== undefined && region === undefined;
}

/** Success, and a body that the SDK could not read. */
function isUnreadable({ code }: Pick<AwsFailure, 'code'>): boolean {
  return /^HTTP 2\d\d$/.test(code);
}

function wrongRegion(bucket: string, region: string | undefined): Error {
  return usage(
    `The bucket ${bucket} is in another region${region === undefined ? '' : `, ${region}`}`,
    region === undefined
      ? "Set target.region to the bucket's region."
      : `Set target.region to ${region}.`,
  );
}
