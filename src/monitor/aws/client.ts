import { kindOfFailure, readAwsFailure } from '../../core/aws/failure.js';
import { serverText } from '../../core/server-text.js';
import { impatient } from '../../core/aws/request-handler.js';
import type { MonitorSettings } from '../../core/settings.js';

/** Monitoring waits for nobody: what is late is sent with the next. In milliseconds. */
const TIMEOUT_MS = 5_000;

/** Where the clients of this folder lead, and how. */
export type Reached = Pick<MonitorSettings, 'region' | 'insecure'>;

/** How clients of this folder are made: region and credentials come from the SDK's own chain where they are not given. */
export function clientOptions({ region, insecure }: Reached) {
  return {
    // What fails is sent with the next.
    maxAttempts: 1,
    ...(region !== undefined && { region }),
    requestHandler: impatient(TIMEOUT_MS, insecure),
  };
}

/**
 * Why a request failed, in words for an operator.
 *
 * @param action as IAM names it, such as `cloudwatch:PutMetricData`
 */
export function explainFailure(error: unknown, service: string, action: string): string {
  const failure = readAwsFailure(error, service);
  if (!failure)
    return `${action}: ${serverText(error instanceof Error ? error.message : String(error))}`;
  const { message } = failure;
  const code = serverText(failure.code);
  switch (kindOfFailure(failure)) {
    case 'access':
      return `${service} denied ${action} (${code}): grant it`;
    case 'credentials':
      return `${service} refused the credentials (${code}) for ${action}`;
    case 'clock':
      return `${service} refused ${action}, since this machine's clock is off (${code}): set it (NTP)`;
    case 'tls':
    case 'retriable':
    case 'request':
      return `${action}: ${message}`;
  }
}
