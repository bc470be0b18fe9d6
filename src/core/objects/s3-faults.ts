import { isMigrateError, usage } from '../errors.js';
import { Fault, isFault, parseRetryAfter } from '../fault.js';
import { oneLine } from './file-faults.js';

/** What is known of a failed request to S3; all of it may be shown to users. */
export interface S3Failure {
  /** S3's name for it (`SlowDown`), or Node's (`ECONNRESET`). */
  readonly code: string;
  /** HTTP status; undefined where no answer came. */
  readonly status: number | undefined;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
  /** The region the bucket is in, where S3 says so. */
  readonly region: string | undefined;
  /** What it is about: beyond the last two, something only the user can change. */
  readonly kind: 'credentials' | 'access' | 'place' | 'clock' | 'tls' | 'retriable' | 'request';
}

const credentials = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidToken',
  'InvalidClientTokenId',
  'AuthorizationHeaderMalformed',
  'MissingSecurityHeader',
  // versitygw's word for InvalidAccessKeyId.
  'XAdminUserNotFound',
]);
const access = new Set(['AccessDenied', 'AllAccessDisabled', 'AccountProblem', 'MethodNotAllowed']);
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
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'TooManyRequestsException',
  'RequestTimeout',
  'TimeoutError',
  'InternalError',
  'ServiceUnavailable',
  'OperationAborted',
  'ConditionalRequestConflict',
  'IncompleteBody',
  // Somebody aborted the upload these parts belonged to.
  'NoSuchUpload',
  // The body was damaged on its way.
  'BadDigest',
  'InvalidDigest',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
  // The chain of credentials renews them.
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'RequestExpired',
  'CredentialsProviderError',
  'TokenProviderError',
]);
/** Undici's names for connections that broke, in Node's words. */
const broken: Readonly<Record<string, string>> = {
  UND_ERR_SOCKET: 'ECONNRESET',
  UND_ERR_CONNECT_TIMEOUT: 'TimeoutError',
  UND_ERR_HEADERS_TIMEOUT: 'TimeoutError',
  UND_ERR_BODY_TIMEOUT: 'TimeoutError',
};
const tls = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'EPROTO',
]);

/**
 * Reads an error of the AWS SDK, of undici or an S3Refusal. Undefined for errors that say nothing about a request: bugs, aborts.
 * The SDK keeps the signed request and the answer on its errors; only what is named here leaves it.
 */
export function readFailure(error: unknown): S3Failure | undefined {
  if (!(error instanceof Error) || error.name === 'AbortError') return undefined;
  const details = error as SdkErrorDetails;
  const status = details.$metadata?.httpStatusCode ?? details.$response?.statusCode;
  const code = failureCode(error, status);
  if (code === undefined) return undefined;
  const headers = details.$response?.headers;
  return {
    code,
    status,
    message: failureMessage(error, code, status),
    retryAfterMs: parseRetryAfter(headers?.['retry-after'], Date.now()),
    region: headers?.['x-amz-bucket-region'] ?? text(details.Region),
    kind: kindOf(code, status),
  };
}

/**
 * What an error means for a run that uses `bucket`. Bugs, aborts and what was mapped before come back as they
 * are. `what` names the request, such as `PUT s3://bucket/key`, `advice` which permission it needs.
 */
export function s3Fault(error: unknown, what: string, bucket: string, advice?: string): unknown {
  if (isMigrateError(error) || isFault(error)) return error;
  const failure = readFailure(error);
  if (failure === undefined) return error;
  const { kind, code, message, retryAfterMs } = failure;
  if (kind === 'retriable' || kind === 'request') {
    return new Fault('S3', kind, code, `${what}: ${message}`, { retryAfterMs });
  }
  return s3UsageError(failure, kind, what, bucket, advice);
}

/** The one clear line for what only the user can change. */
export function s3UsageError(
  failure: S3Failure,
  kind: Exclude<S3Failure['kind'], 'retriable' | 'request'>,
  what: string,
  bucket: string,
  advice = 'Grant s3:PutObject, s3:GetObject and s3:AbortMultipartUpload below the prefix and s3:ListBucket on the bucket; with SSE-KMS also the use of the key.',
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

interface SdkErrorDetails {
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly Region?: unknown;
  readonly errors?: readonly unknown[];
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: {
    readonly statusCode?: number;
    readonly headers?: Readonly<Record<string, string>>;
  };
}

function failureCode(error: Error, status: number | undefined): string | undefined {
  const { code, Code, errors } = error as SdkErrorDetails;
  if (status !== undefined)
    return text(Code) ?? (meaningful(error.name) ? error.name : `HTTP ${status}`);
  if (error.name === 'TimeoutError' || error.name.endsWith('ProviderError')) return error.name;
  // Several addresses were tried, none answered.
  const inner = errors?.[0];
  const innerCode = inner instanceof Error ? text((inner as SdkErrorDetails).code) : undefined;
  const own = text(code) ?? innerCode;
  if (own === undefined) return undefined;
  // HPE_…: what came was no HTTP.
  return /^(E[A-Z0-9]+|HPE_[A-Z_]+)$/.test(own) || tls.has(own) ? own : broken[own];
}

function failureMessage(error: Error, code: string, status: number | undefined): string {
  const said = oneLine(
    error.message !== '' ? error.message : ((error as SdkErrorDetails).errors?.[0] ?? ''),
  );
  // What follows a failure to parse is advice for users of the SDK.
  const useful =
    said === '' || /Deserialization error|UnknownError/.test(said) ? '' : `: ${said.slice(0, 300)}`;
  return status === undefined ? `${code}${useful}` : `S3 answered ${status} ${code}${useful}`;
}

function kindOf(code: string, status: number | undefined): S3Failure['kind'] {
  if (retriable.has(code)) return 'retriable';
  if (credentials.has(code)) return 'credentials';
  if (access.has(code) || code.startsWith('KMS.')) return 'access';
  if (place.has(code)) return 'place';
  if (code === 'RequestTimeTooSkewed') return 'clock';
  if (tls.has(code)) return 'tls';
  if (status === undefined || status >= 500 || status === 408 || status === 429) return 'retriable';
  if (status === 403 || status === 401 || status === 405) return 'access';
  if (status === 301 || status === 307) return 'place';
  return 'request';
}

function wrongRegion(bucket: string, region: string | undefined): Error {
  return usage(
    `The bucket ${bucket} is in another region${region === undefined ? '' : `, ${region}`}`,
    region === undefined
      ? "Set target.region to the bucket's region."
      : `Set target.region to ${region}.`,
  );
}

function meaningful(name: string): boolean {
  return (
    /^[A-Z][A-Za-z.]+$/.test(name) &&
    !/^(Error|UnknownError|Unknown|S3ServiceException|SyntaxError|TypeError)$/.test(name)
  );
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
