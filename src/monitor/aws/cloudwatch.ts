import { hideCredentials } from '../../core/aws/known-credentials.js';
import {
  CloudWatchClient,
  PutMetricDataCommand,
  type MetricDatum,
} from '@aws-sdk/client-cloudwatch';
import { encryptedOnly, ENCRYPTED_ONLY } from '../../core/aws/encrypted-only.js';
import type { Reading } from '../meter.js';
import { METRICS } from '../metrics.js';
import { clientOptions, explainFailure, type Reached } from './client.js';

/** Different values of one metric in one request, by CloudWatch's own limit. */
const MOST_VALUES = 150;

/** Metrics of a host, in CloudWatch. They have no dimensions: all hosts of a namespace add up. */
export class CloudWatchMetrics {
  readonly #client: CloudWatchClient;
  readonly #namespace: string;

  constructor(namespace: string, reached: Reached) {
    this.#client = new CloudWatchClient(clientOptions(reached));
    hideCredentials(this.#client);
    if (reached.insecure !== true)
      this.#client.middlewareStack.add(encryptedOnly('CloudWatch'), ENCRYPTED_ONLY);
    this.#namespace = namespace;
  }

  /** @throws Error in words for an operator */
  async put(readings: readonly Reading[], at: Date): Promise<void> {
    const MetricData = readings.flatMap((reading) => datums(reading, at));
    if (MetricData.length === 0) return;
    const command = new PutMetricDataCommand({ Namespace: this.#namespace, MetricData });
    try {
      await this.#client.send(command);
    } catch (error) {
      throw new Error(explainFailure(error, 'CloudWatch', 'cloudwatch:PutMetricData'), {
        cause: error,
      });
    }
  }

  close(): void {
    this.#client.destroy();
  }
}

function datums({ name, values }: Reading, Timestamp: Date): MetricDatum[] {
  const { unit: Unit } = METRICS[name];
  const all = [...values];
  return Array.from({ length: Math.ceil(all.length / MOST_VALUES) }, (_, part) => {
    const some = all.slice(part * MOST_VALUES, (part + 1) * MOST_VALUES);
    const Values = some.map(([value]) => value);
    const Counts = some.map(([, times]) => times);
    return { MetricName: name, Unit, Timestamp, Values, Counts };
  });
}
