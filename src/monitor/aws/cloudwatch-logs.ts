import { hideCredentials } from '../../core/aws/known-credentials.js';
import {
  CloudWatchLogsClient,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { encryptedOnly, ENCRYPTED_ONLY } from '../../core/aws/encrypted-only.js';
import { clientOptions, explainFailure, type Reached } from './client.js';

/** A line and when it was written. */
export interface LogLine {
  readonly at: number;
  readonly text: string;
}

/** Of one request, by CloudWatch's own limits: lines, and their bytes with what it adds to each. */
const MOST_LINES = 10_000;
const MOST_BYTES = 1_000_000;
const BYTES_PER_LINE = 26;
/** From the first line to the last. */
const LONGEST_SPAN_MS = 24 * 3_600_000;
/** A longer line is cut, in bytes. */
const LONGEST_LINE = 200_000;

/** A run's log as a stream of its own in a log group, which is there already. */
export class CloudWatchLogs {
  readonly #client: CloudWatchLogsClient;
  readonly #group: string;
  readonly #stream: string;
  #hasStream = false;

  /** @param stream its name, in which `:` and `*` are not allowed */
  constructor(group: string, stream: string, reached: Reached) {
    this.#client = new CloudWatchLogsClient(clientOptions(reached));
    hideCredentials(this.#client);
    if (reached.insecure !== true)
      this.#client.middlewareStack.add(encryptedOnly('CloudWatch Logs'), ENCRYPTED_ONLY);
    this.#group = group;
    this.#stream = stream;
  }

  /**
   * Writes as many of the lines, none older than the one before it, as one request may have.
   *
   * @returns how many
   * @throws Error in words for an operator
   */
  async put(lines: readonly LogLine[]): Promise<number> {
    const logEvents: { timestamp: number; message: string }[] = [];
    let bytes = 0;
    const first = lines[0]?.at ?? 0;
    for (const { at, text } of lines.slice(0, MOST_LINES)) {
      if (at - first >= LONGEST_SPAN_MS) break;
      const message = cut(text);
      bytes += Buffer.byteLength(message) + BYTES_PER_LINE;
      if (bytes > MOST_BYTES) break;
      logEvents.push({ timestamp: at, message });
    }
    if (logEvents.length === 0) return 0;
    const [logGroupName, logStreamName] = [this.#group, this.#stream];
    await this.#createStream();
    await this.#named('logs:PutLogEvents', () =>
      this.#client.send(new PutLogEventsCommand({ logGroupName, logStreamName, logEvents })),
    );
    return logEvents.length;
  }

  close(): void {
    this.#client.destroy();
  }

  async #createStream(): Promise<void> {
    if (this.#hasStream) return;
    const [logGroupName, logStreamName] = [this.#group, this.#stream];
    await this.#named('logs:CreateLogStream', () =>
      this.#client
        .send(new CreateLogStreamCommand({ logGroupName, logStreamName }))
        .catch((error: unknown) => {
          if (nameOf(error) !== 'ResourceAlreadyExistsException') throw error;
        }),
    );
    this.#hasStream = true;
  }

  async #named(action: string, send: () => Promise<unknown>): Promise<void> {
    try {
      await send();
    } catch (error) {
      const why =
        nameOf(error) === 'ResourceNotFoundException'
          ? `the log group ${this.#group} does not exist: create it, or correct monitor.logGroup`
          : explainFailure(error, 'CloudWatch Logs', action);
      throw new Error(why, { cause: error });
    }
  }
}

const nameOf = (error: unknown) => (error instanceof Error ? error.name : undefined);

function cut(text: string): string {
  if (Buffer.byteLength(text) <= LONGEST_LINE) return text;
  return `${Buffer.from(text).toString('utf8', 0, LONGEST_LINE)}…`;
}
