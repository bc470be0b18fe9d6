/** What a server that knows only some of S3 means by 501: one of the request's headers, mostly, and it may say which. */
import { readFailure } from './s3-faults.js';

/** Whether a conditional request was refused because the server knows no conditions, as far as it says. */
export function lacksConditions(error: unknown): boolean {
  const failure = readFailure(error);
  if (failure?.status !== 501) return false;
  return /\bif-(none-)?match\b/i.test(failure.said) || !namedHeader.test(failure.said);
}

/** Whether a request was refused for the header that asks for a checksum. */
export function lacksChecksums(error: unknown): boolean {
  const failure = readFailure(error);
  return failure?.status === 501 && /\bx-amz-(sdk-)?checksum/i.test(failure.said);
}

/** Names of headers that no sentence has by chance. */
const namedHeader = /\b(x-amz|x-goog|content|transfer|cache)-[a-z]/i;
