/** Metrics that the code writes. */
export const METRICS: readonly string[] = [
  'MessagesExtracted',
  'WindowsFailed',
  'MessagesCompleted',
  'MessagesFailed',
  'MessagesRequeued',
  'BatchesCompleted',
  'BatchesReturned',
  'BatchDuration',
  'UploadedBytes',
  'UploadErrors',
  'SourceLatency',
  'SourceRefusals',
  'Backlog',
  'MessagesPerSecond',
];

/** Variables that the configuration is about to know. */
export const VARIABLES_TO_COME: readonly string[] = [
  'ES_MIGRATE_SECRET_ARN',
  'ES_MIGRATE_MONITOR_METRICS_NAMESPACE',
  'ES_MIGRATE_MONITOR_LOG_GROUP',
  'ES_MIGRATE_MONITOR_ALERT_TOPIC',
  'ES_MIGRATE_MONITOR_REGION',
];

/** Folders of deploy/ that are about to come. */
export const FOLDERS_TO_COME: readonly string[] = ['systemd'];
