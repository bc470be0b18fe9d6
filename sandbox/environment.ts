import { stringify } from 'yaml';
import { sampleIndices } from './sample.js';
import type { Coordinates, UsualCoordinates } from './index.js';

/** What a shell or a child process needs to use the sandbox: all of it settings of es-migrate or of the AWS SDK. */
export function sandboxEnvironment({
  elasticsearch,
  mysql,
  s3,
  sqs,
}: UsualCoordinates & Partial<Pick<Coordinates, 'sqs'>>): Record<string, string> {
  return {
    ES_MIGRATE_SOURCE_URL: elasticsearch.url,
    ES_MIGRATE_TRACKING_URL: mysql.url,
    ES_MIGRATE_TRACKING_PASSWORD: mysql.password,
    ES_MIGRATE_TARGET_URL: `s3://${s3.bucket}/messages`,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    AWS_REGION: s3.region,
    // Stronger than what a configuration file names.
    ES_MIGRATE_TARGET_REGION: s3.region,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    ...(sqs && { ES_MIGRATE_QUEUE_URL: sqs.queueUrl, ES_MIGRATE_QUEUE_REGION: sqs.region }),
  };
}

/** The same for a shell to read. */
export function exportLines(environment: Readonly<Record<string, string>>): string[] {
  return Object.entries(environment).map(([name, value]) => `export ${name}='${value}'`);
}

/**
 * An es-migrate.yaml for the sandbox's sample, without secrets: those come from {@link sandboxEnvironment}.
 *
 * @param startDate bare date at which the first job starts.
 */
export function sandboxConfig(
  { elasticsearch, mysql, s3 }: UsualCoordinates,
  { startDate, layout = 'message' }: { startDate: string; layout?: 'message' | 'batch' },
): string {
  const { messages, history, status, audit } = sampleIndices();
  const related = (index: string) => ({ index, key: 'message_id', sort: 'at' });
  return stringify({
    source: {
      url: elasticsearch.url,
      index: messages,
      dateField: 'timestamp',
      related: { history: related(history), status: related(status), audit: related(audit) },
    },
    tracking: { url: mysql.url, tls: { caFile: mysql.caFile } },
    target: {
      url: `s3://${s3.bucket}/messages`,
      region: s3.region,
      endpoint: s3.endpoint,
      forcePathStyle: true,
      layout,
    },
    startDate,
  });
}
