import { parseRetryAfter } from '../fault.js';
import { comparedText, serverCode, serverText } from '../server-text.js';
import { redirectTarget } from '../redirect.js';

/** What is known of a failed request to AWS, or to a server that speaks like it. */
export interface AwsFailure {
  /** The service's name for it (`SlowDown`), or Node's (`ECONNRESET`), to be compared; in errors of ours it is shown without secrets. */
  readonly code: string;
  /** HTTP status; undefined where no answer came. */
  readonly status: number | undefined;
  /** For users. */
  readonly message: string;
  /** The service's own words, to be looked through; never shown, since secrets may be among them. */
  readonly said: string;
  readonly retryAfterMs: number | undefined;
  /** The region to use instead, where the answer names it. */
  readonly region: string | undefined;
  /** Where a redirect leads, which is not followed: a signed request is for one host. Undefined for other answers. */
  readonly redirect: string | undefined;
}

/** What a failure is about: beyond the last two, something only the user can change. */
export type FailureKind = 'credentials' | 'access' | 'clock' | 'tls' | 'retriable' | 'request';

const credentials = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'InvalidToken',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'AuthorizationHeaderMalformed',
  'IncompleteSignature',
  'MissingAuthenticationToken',
  'MissingSecurityHeader',
]);
const access = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'AccountProblem',
  'MethodNotAllowed',
]);
const retriable = new Set([
  'Throttling',
  'ThrottlingException',
  'RequestThrottled',
  'TooManyRequests',
  'TooManyRequestsException',
  'RequestTimeout',
  'TimeoutError',
  'InternalError',
  'InternalFailure',
  'ServiceUnavailable',
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
/**
 * Codes of a connection that failed or broke: the system's (`ECONNRESET`), those of looking up a name (`EAI_AGAIN`), what was no
 * HTTP (`HPE_…`), TLS records that cannot be read (`ERR_SSL_…`), bodies cut short, and undici's, but for those that say it was
 * called wrongly or was closed by us. Node's other `ERR_…` are bugs.
 */
const BROKEN_CODE =
  /^(E(?!RR_)[A-Z0-9]+|EAI_[A-Z]+|HPE_[A-Z_]+|ERR_SSL_\w+|ERR_STREAM_PREMATURE_CLOSE|UND_ERR_(?!INVALID_|NOT_SUPPORTED|REQ_|DESTROYED|CLOSED|ABORTED)[A-Z_]+)$/;
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
  'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'EPROTO',
]);

/**
 * Reads an error of the AWS SDK, of undici or one that has their shape. Undefined for errors that say nothing about a request:
 * bugs, aborts. The SDK keeps the signed request and the answer on its errors; only what is named here leaves it.
 *
 * @param service as it is named to users, such as `S3`
 */
export function readAwsFailure(error: unknown, service: string): AwsFailure | undefined {
  if (!(error instanceof Error) || error.name === 'AbortError') return undefined;
  const details = error as SdkErrorDetails;
  const status = details.$metadata?.httpStatusCode ?? details.$response?.statusCode;
  const code = failureCode(error, status);
  if (code === undefined) return undefined;
  const headers = details.$response?.headers;
  const isRedirect = status !== undefined && status >= 300 && status < 400;
  const location = isRedirect ? headers?.['location'] : undefined;
  const redirect = location === undefined ? undefined : redirectTarget(location);
  const message = failureMessage(error, service, code, status);
  return {
    code,
    status,
    message:
      redirect === undefined
        ? message
        : `${message}: a redirect to ${redirect}, and none are followed`,
    said: `${comparedText(error.message)} ${comparedText(details.Header)}`,
    redirect,
    retryAfterMs: parseRetryAfter(headers?.['retry-after'], Date.now()),
    region: text(headers?.['x-amz-bucket-region'] ?? details.Region, 64),
  };
}

/**
 * By what all of AWS has in common: names first, then the status.
 *
 * @param hasAnswered the server has answered before: it speaks TLS as we do, and a handshake that fails now is a connection
 *   that broke
 */
export function kindOfFailure(
  { code, status, said }: Pick<AwsFailure, 'code' | 'status' | 'said'>,
  hasAnswered = false,
): FailureKind {
  if (hasAnswered && code === 'EPROTO') return 'retriable';
  if (retriable.has(code)) return 'retriable';
  // One code for both.
  if (code === 'InvalidSignatureException' && /expired|not yet current/.test(said)) return 'clock';
  if (credentials.has(code)) return 'credentials';
  if (access.has(code) || code.startsWith('KMS.')) return 'access';
  if (code === 'RequestTimeTooSkewed') return 'clock';
  if (tls.has(code)) return 'tls';
  if (status === undefined || status >= 500 || status === 408 || status === 429) return 'retriable';
  if (status === 403 || status === 401 || status === 405) return 'access';
  return 'request';
}

/** Whether nobody gave the SDK credentials, or nobody who gives them could be asked: no request was sent. */
export function lacksCredentials({ code }: Pick<AwsFailure, 'code'>): boolean {
  return code.endsWith('ProviderError');
}

/** What to do then. */
export const GIVE_CREDENTIALS =
  'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run where a role is attached.';

interface SdkErrorDetails {
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly Region?: unknown;
  /** Which one of the request's is refused. */
  readonly Header?: unknown;
  readonly errors?: readonly unknown[];
  readonly info?: { readonly code?: unknown };
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: {
    readonly statusCode?: number;
    readonly headers?: Readonly<Record<string, string>>;
  };
}

function failureCode(error: Error, status: number | undefined): string | undefined {
  const { code, Code, errors, info } = error as SdkErrorDetails;
  if (status !== undefined)
    return name(Code) ?? (meaningful(error.name) ? serverCode(error.name) : `HTTP ${status}`);
  if (error.name === 'TimeoutError' || error.name.endsWith('ProviderError')) return error.name;
  // Several addresses were tried, none answered.
  const inner = errors?.[0];
  const innerCode = inner instanceof Error ? name((inner as SdkErrorDetails).code) : undefined;
  // Node's own, such as of looking up the home directory where no file can be opened any more: what the system said is beside it.
  const system = code === 'ERR_SYSTEM_ERROR' ? name(info?.code) : undefined;
  const own = system ?? name(code) ?? innerCode;
  if (own === undefined) return undefined;
  return broken[own] ?? (BROKEN_CODE.test(own) || tls.has(own) ? own : undefined);
}

function failureMessage(
  error: Error,
  service: string,
  code: string,
  status: number | undefined,
): string {
  const shown = serverText(code);
  const said = wordsOf(
    error.message !== '' ? error : ((error as SdkErrorDetails).errors?.[0] ?? ''),
  );
  // What follows a failure to parse is advice for users of the SDK.
  const isAdvice = /Deserialization error|UnknownError/.test(comparedText(error.message));
  const useful = said === '' || isAdvice ? '' : `: ${said}`;
  const header = text((error as SdkErrorDetails).Header, 100);
  const about = header === undefined ? '' : ` (header ${header})`;
  return status === undefined
    ? `${shown}${useful}`
    : `${service} answered ${status} ${shown}${useful}${about}`;
}

function meaningful(name: string): boolean {
  return (
    /^[A-Z][A-Za-z.]+$/.test(name) &&
    !/^(Error|UnknownError|Unknown|[A-Z0-9]+ServiceException|SyntaxError|TypeError)$/.test(name)
  );
}

/** Longest message that is kept, in characters. */
const LONGEST_MESSAGE = 300;

/** The beginning of a message, on one line. */
function wordsOf(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  return serverText(said, LONGEST_MESSAGE).replaceAll(/\s+/g, ' ');
}

function text(value: unknown, most?: number): string | undefined {
  return serverText(value, most) || undefined;
}

function name(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  // Some servers name it with the model's namespace before a `#`.
  return serverCode(value.trim().replace(/^.*#/, ''));
}
