import {
  GIVE_CREDENTIALS,
  kindOfFailure,
  lacksCredentials,
  readAwsFailure,
} from '../aws/failure.js';
import { usage } from '../errors.js';
import { Fault, isForeseen } from '../fault.js';

/** By SQS's JSON protocol, and by the older one. */
const missing = new Set([
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
  'InvalidAddress',
]);
const retriable = new Set(['OverLimit', 'KmsThrottled']);

/** The queue of a request, for users. */
export interface AskedQueue {
  /** Or its URL. */
  readonly name: string;
  /** The one that the redrive policy of the configured queue names. */
  readonly isDeadLetters?: boolean;
}

/**
 * What an error of a request to SQS means. Bugs, aborts and what was mapped before come back as they are.
 *
 * @param action as IAM names it, such as `sqs:SendMessage`
 * @param areMissing credentials that can't be had are missing, not being renewed
 * @param hasAnswered as for {@link kindOfFailure}
 */
export function sqsFault(
  error: unknown,
  action: string,
  { name, isDeadLetters = false }: AskedQueue,
  areMissing: boolean,
  hasAnswered = false,
): unknown {
  if (isForeseen(error)) return error;
  if (error instanceof Error && error.message.startsWith('Region is missing')) {
    return usage(
      'no region is known for the queue',
      'Set queue.region, or AWS_REGION; the URLs of AWS name theirs.',
    );
  }
  const failure = readAwsFailure(error, 'SQS');
  if (failure === undefined) return error;
  const { code, message, retryAfterMs, status } = failure;
  const queue = `${isDeadLetters ? 'dead-letter queue' : 'queue'} ${name}`;
  if (missing.has(code)) {
    return usage(
      `the ${queue} does not exist (${code})`,
      isDeadLetters
        ? 'Create it, or correct the redrive policy of the queue that names it.'
        : 'Create it, or correct queue.url or queue.region.',
    );
  }
  if (areMissing && lacksCredentials(failure)) {
    return usage(`no AWS credentials were found for the ${queue}: ${message}`, GIVE_CREDENTIALS);
  }
  const kind = retriable.has(code) ? 'retriable' : kindOfFailure(failure, hasAnswered);
  switch (kind) {
    case 'retriable':
    case 'request':
      return new Fault('SQS', kind, code, `${action}: ${message}`, { retryAfterMs, status });
    case 'credentials':
      return usage(
        `SQS refused the credentials for the ${queue}: ${message}`,
        'Check the AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role; and queue.region, for they are signed for it.',
      );
    case 'access':
      return usage(
        `SQS denied ${action} on the ${queue} (${code})`,
        `Grant ${action} on that queue; where it is encrypted by KMS also the use of its key.`,
      );
    case 'clock':
      return usage(
        `SQS refused ${action}: this machine's clock is off (${code})`,
        'Set the clock (NTP), then start again.',
      );
    case 'tls':
      return usage(
        `The TLS connection to SQS failed: ${message}`,
        'Check queue.url, and that its certificate is signed by an authority this machine trusts.',
      );
  }
}
