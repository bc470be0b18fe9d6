import type { S3Client } from '@aws-sdk/client-s3';
import { Fault } from '../fault.js';
import { readFailure } from './s3-faults.js';

/** S3 takes requests signed up to 15 minutes off; a correction beyond this is no jitter. The SDK's own threshold. */
const correctionMs = 240_000;

/** Where the clock stood that a request was signed by: to be kept for {@link clockCorrected}. */
export function signingClock(client: S3Client): number {
  return client.config.systemClockOffset;
}

/**
 * A refused request that may be repeated, because the answer has set the clock it is signed by: the SDK takes the
 * server's time from each answer, and so does S3Put. Undefined where the clock wasn't the reason, or was right before. (An
 * answer to HEAD has no body to name the reason; then the status and the correction stand for it.)
 */
export function clockCorrected(
  error: unknown,
  what: string,
  client: S3Client,
  before: number,
): Fault | undefined {
  const failure = readFailure(error);
  if (failure?.kind !== 'clock' && failure?.status !== 403) return undefined;
  const byMs = client.config.systemClockOffset - before;
  if (Math.abs(byMs) < correctionMs) return undefined;
  const minutes = Math.round(byMs / 60_000);
  const message = `${what}: this machine's clock is ${Math.abs(minutes)} min ${minutes > 0 ? 'slow' : 'fast'}; signing by the server's from now on`;
  return new Fault('S3', 'retriable', failure.code, message);
}
