import { z } from 'zod';
import { resolveBound } from '../core/extract/range.js';
import {
  boolean,
  choice,
  duration,
  indexOrPairs,
  integer,
  isScalarKey,
  jsonObject,
  offOrOn,
  oneOrMore,
  parsed,
  rate,
  secretText,
  share,
  size,
  text,
  unquotedText,
  urls,
} from './leaves.js';
import {
  parseQueueUrl,
  parseSourceUrls,
  parseTargetUrl,
  parseTrackingUrl,
  type Parsed,
} from './urls.js';

const indexName = () => text('an index, alias or pattern', /^[^\s"\\/?#|<>]+$/);
const fieldName = () => text('the name of a field');
const path = () => text('the path of a file');
/** Of a secret: the secret itself is easily given instead. */
const secretPath = () => unquotedText('the path of a file');

const related = z.strictObject({
  index: indexOrPairs(indexName()),
  key: oneOrMore(fieldName()),
  on: oneOrMore(fieldName()).optional(),
  sort: fieldName().optional(),
  optional: boolean().optional(),
  probe: boolean().optional(),
});

/** `message_id`, `index` and `message` stand in each document already. */
const relatedName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/,
    'a name must begin with a letter and consist of at most 128 of A-Z a-z 0-9 _ . -',
  )
  .refine(
    (name) => !['message_id', 'index', 'message'].includes(name),
    'this name is taken; choose another',
  );

const source = z.strictObject({
  url: urls(parseSourceUrls).optional(),
  apiKey: secretText().optional(),
  apiKeyFile: secretPath().optional(),
  username: unquotedText('a user name').optional(),
  password: secretText().optional(),
  passwordFile: secretPath().optional(),
  caFile: path().optional(),
  insecure: boolean().optional(),
  index: indexName().optional(),
  dateField: fieldName().optional(),
  filter: jsonObject().optional(),
  related: z.record(relatedName, related).optional(),
});

/** `mode` is what `tls: off` and `tls: on` stand for: see {@link withTlsMode}. */
const trackingTls = z.strictObject({
  mode: offOrOn().optional(),
  caFile: path().optional(),
  verifyName: boolean().optional(),
  insecure: boolean().optional(),
});

const tracking = z.strictObject({
  url: parsed('a URL', parseTrackingUrl).optional(),
  password: secretText().optional(),
  passwordFile: secretPath().optional(),
  tls: trackingTls.optional(),
});

const target = z.strictObject({
  url: parsed('a URL', parseTargetUrl).optional(),
  layout: choice('message', 'batch').optional(),
  mode: parsed('a file mode in quotes, such as "0640"', fileMode).optional(),
  region: text('a region').optional(),
  endpoint: parsed('a URL', httpUrl).optional(),
  forcePathStyle: boolean().optional(),
  caFile: path().optional(),
  insecure: boolean().optional(),
  requesterPays: boolean().optional(),
  bucketOwner: text('an AWS account: 12 digits', /^\d{12}$/).optional(),
  encryption: z
    .strictObject({
      type: parsed('sse-s3 or sse-kms', encryptionType).optional(),
      keyId: text('a key id or ARN').optional(),
    })
    .optional(),
});

const queue = z.strictObject({
  url: parsed('a URL', parseQueueUrl).optional(),
  region: text('a region').optional(),
  insecure: boolean().optional(),
});

const monitor = z.strictObject({
  metricsNamespace: text(
    'a namespace of CloudWatch metrics, such as es-migrate',
    /^(?!AWS\/)[A-Za-z0-9._/#:-]{1,255}$/,
  ).optional(),
  logGroup: text(
    'a log group of CloudWatch Logs, such as /es-migrate',
    /^[A-Za-z0-9_/.#-]{1,512}$/,
  ).optional(),
  alertTopic: text(
    'the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:alerts',
    /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$/,
  ).optional(),
  alertFailureRate: share('a share of all messages, such as 5% or 0.05').optional(),
  region: text('a region').optional(),
  insecure: boolean().optional(),
});

/**
 * The configuration as it is written, in a file, in the environment or by flags. Every key may be left out of each
 * of them; what has to be there in the end depends on the command (settle.ts).
 */
export const configSchema = z.strictObject({
  source: source.optional(),
  tracking: tracking.optional(),
  target: target.optional(),
  queue: queue.optional(),
  monitor: monitor.optional(),
  startDate: parsed('a date such as 2024-10-01', startDate).optional(),
  settle: duration(0, 30 * 86_400_000, '0 to 30d').optional(),
  batchSize: integer(1, 10_000).optional(),
  concurrency: integer(1).optional(),
  maxAttempts: integer(1, 100).optional(),
  leaseSeconds: integer(1, 86_400).optional(),
  retryFor: duration(0, 86_400_000, '0 to 24h').optional(),
  limits: z
    .strictObject({
      sourceRequestsPerSecond: rate().optional(),
      sourceLoad: rate('requests at once, on average, such as 0.2').optional(),
      sourceLatencyTarget: duration(0, 600_000, '0 to 10m').optional(),
      uploads: integer(0, 4_096).optional(),
      maxInFlightBytes: size().optional(),
    })
    .optional(),
});

/** Where it is set by a word, `tracking.tls: off`, instead of by keys. */
export const TLS_MODE: KeyPath = ['tracking', 'tls', 'mode'];

/** Values as they are written, with `tracking.tls: off` as `tracking.tls: { mode: off }`. */
export function withTlsMode(values: unknown): unknown {
  if (!isRecord(values) || !isRecord(values['tracking'])) return values;
  const { tracking: written } = values;
  const { tls } = written;
  if (typeof tls !== 'string' && typeof tls !== 'boolean') return values;
  return { ...values, tracking: { ...written, tls: { mode: tls } } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One layer of the configuration, checked, its values read. */
export type Config = z.output<typeof configSchema>;

/** A path of keys, such as `['source', 'url']`. */
export type KeyPath = readonly string[];

/** Every key with one value, in the order of the schema. */
export const scalarKeys: readonly KeyPath[] = [...walk(configSchema, [])];

/** The keys of a section, by its path; none where there is no such section. */
export function keysOf(section: KeyPath): readonly string[] {
  let schema: z.core.$ZodType = configSchema;
  for (const key of section) {
    const next = schema instanceof z.ZodRecord ? related : shapeOf(schema)[key];
    if (next === undefined) return [];
    schema = unwrap(next);
  }
  return Object.keys(shapeOf(schema));
}

function* walk(schema: z.core.$ZodType, at: KeyPath): Generator<KeyPath> {
  if (isScalarKey(schema)) yield at;
  for (const [key, inner] of Object.entries(shapeOf(schema)))
    yield* walk(unwrap(inner), [...at, key]);
}

function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> {
  return schema instanceof z.ZodObject ? schema.shape : {};
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema;
}

function encryptionType(value: string): Parsed<'sse-s3' | 'sse-kms'> {
  if (value === 'sse-s3' || value === 'sse-kms') return value;
  if (/^sse-?c$/i.test(value))
    return {
      wrong:
        'is sse-c: keys that are sent with each request are not supported; give sse-kms with a keyId of your own, or sse-s3',
    };
  return { wrong: `${JSON.stringify(value)} is not allowed; give sse-s3 or sse-kms` };
}

/** Permissions of files: their owner has to read and write them, and they are not executable. */
function fileMode(value: string): Parsed<number> {
  const mode = /^(?:0o?)?[0-7]{3}$/.test(value) ? Number.parseInt(value.slice(-3), 8) : undefined;
  if (mode === undefined) return { wrong: 'is not a file mode of three octal digits; give "0640"' };
  if ((mode & 0o600) !== 0o600)
    return { wrong: 'keeps es-migrate itself from reading or writing; give "0600" or "0640"' };
  if ((mode & 0o111) !== 0)
    return { wrong: 'makes documents executable; give "0640" (directories follow from it)' };
  if ((mode & 0o002) !== 0)
    return { wrong: 'lets every user change what is stored; give "0640" or "0644"' };
  return mode;
}

function httpUrl(value: string): Parsed<string> {
  const result = parseSourceUrls([value]);
  if ('wrong' in result) return { wrong: 'is not an http or https URL; give https://host:port' };
  if (result.username !== undefined) return { wrong: 'has credentials; leave them to the AWS SDK' };
  return result.urls[0] ?? { wrong: 'is not an http or https URL' };
}

/** Checked here, resolved by the command, which knows `--timezone`. */
function startDate(value: string): Parsed<string> {
  try {
    resolveBound(value, { timezone: 'UTC', edge: 'from' });
    return value;
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}
