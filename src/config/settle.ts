import type {
  MonitorSettings,
  RelatedSettings,
  Settings,
  SourceSettings,
  TargetSettings,
  TrackingSettings,
} from '../core/settings.js';
import { regionOf } from '../core/queue/region.js';
import { variableOf } from './environment.js';
import {
  insecureWarning,
  plainSourceWarning,
  plainTrackingWarning,
  unencrypted,
} from './insecure.js';
import type { Problems } from './problems.js';
import type { Config, KeyPath } from './schema.js';
import { masked } from './secrets.js';

/** What the command at hand can't do without. The tracking database is always needed. */
export interface Needs {
  readonly source: boolean;
  readonly target: boolean;
  /** It can't do without one; a command that only sends where one is configured doesn't say so. */
  readonly queue?: boolean;
}

/**
 * Adds a problem for each key that has to be there and isn't. `mentioned` tells whether a key was written anywhere: one
 * that was, and was refused, has been reported already.
 */
export function demandKeys(
  needs: Needs,
  mentioned: (key: KeyPath) => boolean,
  problems: Problems,
): void {
  const source = [
    ['source', 'url'],
    ['source', 'index'],
    ['source', 'dateField'],
  ];
  const keys = [
    ...(needs.source ? source : []),
    ['tracking', 'url'],
    ...(needs.target ? [['target', 'url']] : []),
    ...(needs.queue ? [['queue', 'url']] : []),
  ];
  for (const key of keys.filter((wanted) => !mentioned(wanted))) {
    const name = key.join('.');
    problems.add({
      key: name,
      message: `is not set; give it in the configuration file or by ${variableOf(key)}`,
    });
  }
}

/** What the keys of the merged configuration are judged by besides their values. */
export interface Judge {
  readonly problems: Problems;
  readonly warnings: string[];
  /** Where a key was written. */
  readonly where: (key: KeyPath) => string | undefined;
  /** Whether a key was written anywhere; where its value was refused, that has been reported already. */
  readonly mentioned: (key: KeyPath) => boolean;
}

/** More of them would only wait for each other, and each holds memory and connections. */
const MAX_CONCURRENCY = 256;

/**
 * Turns the merged configuration into settings: defaults filled in, keys checked against each other. Where problems were
 * added the result is not to be used. `source.urls` is empty where the command needs no source and none is configured.
 */
export function settle(config: Config, judge: Judge): Settings {
  const target = targetOf(config.target ?? {}, judge);
  return {
    source: sourceOf(config.source ?? {}, judge),
    tracking: trackingOf(config.tracking ?? {}, judge),
    ...(target && { target }),
    ...queueOf(config.queue, judge),
    monitor: monitorOf(config.monitor, judge),
    ...(config.startDate !== undefined && { startDate: config.startDate }),
    settleMs: config.settle ?? 15 * 60_000,
    batchSize: config.batchSize ?? 500,
    concurrency: clampConcurrency(config.concurrency ?? 4, judge),
    maxAttempts: config.maxAttempts ?? 5,
    leaseSeconds: config.leaseSeconds ?? 300,
    retryForMs: config.retryFor ?? 120_000,
    limits: {
      sourceRequestsPerSecond: config.limits?.sourceRequestsPerSecond ?? 50,
      // Whoever wants no limit on the rate wants none: the load would be one.
      sourceLoad:
        config.limits?.sourceLoad ?? (config.limits?.sourceRequestsPerSecond === 0 ? 0 : 0.1),
      sourceLatencyTargetMs: config.limits?.sourceLatencyTarget ?? 2_000,
      uploads: config.limits?.uploads ?? 512,
      maxInFlightBytes: config.limits?.maxInFlightBytes ?? 256 * 1024 ** 2,
    },
  };
}

function sourceOf(source: NonNullable<Config['source']>, judge: Judge): SourceSettings {
  if (source.insecure === true) warnInsecure(['source', 'insecure'], 'Elasticsearch', judge);
  const auth = authOf(source, judge);
  const urls = source.url?.urls ?? [];
  if (auth && source.insecure !== true)
    refuseHttp(['source', 'url'], urls, 'the credentials', judge);
  if (!auth && source.insecure !== true) {
    const warning = plainSourceWarning(urls);
    if (warning !== undefined) judge.warnings.push(warning);
  }
  return {
    urls,
    ...(auth && { auth }),
    ...(source.caFile !== undefined && { caFile: source.caFile }),
    insecure: source.insecure ?? false,
    index: source.index ?? '',
    dateField: source.dateField ?? '',
    ...(source.filter && { filter: source.filter.text }),
    related: Object.entries(source.related ?? {}).map((one) => relatedOf(...one, judge)),
  };
}

type Related = NonNullable<NonNullable<Config['source']>['related']>[string];

function relatedOf(
  name: string,
  { index, key, on = ['_id'], sort, optional, probe }: Related,
  judge: Judge,
): RelatedSettings {
  if (key.length !== on.length) {
    const counts = `names ${key.length} ${key.length === 1 ? 'field' : 'fields'}, on ${on.length}`;
    const message = `${counts}: give as many, the first of key for the first of on and so on (_id is the message's id)`;
    refuse(['source', 'related', name, 'key'], message, judge);
  }
  return {
    name,
    index,
    join: key.map((field, i) => ({ key: field, on: on[i] ?? '_id' })),
    ...(sort !== undefined && { sort }),
    optional: optional ?? false,
    probe: probe ?? true,
  };
}

function authOf(source: NonNullable<Config['source']>, judge: Judge): SourceSettings['auth'] {
  const { apiKey } = source;
  const username = source.username ?? source.url?.username;
  const password = source.password ?? source.url?.password;
  const complain = (key: string, message: string): void => refuse(['source', key], message, judge);
  type Key = keyof typeof source | 'passwordFile';
  const refused = (...keys: Key[]): boolean =>
    keys.some((key) => !(key in source) && judge.mentioned(['source', key]));
  if (apiKey !== undefined) {
    if (username === undefined && password === undefined) return masked({ apiKey }, ['apiKey']);
    const other = ['username', 'password', 'url']
      .map((key) => judge.where(['source', key]))
      .find(Boolean);
    complain(
      'apiKey',
      `excludes a user name and password (${other ?? 'source.url'}); keep one of them`,
    );
  } else if (username !== undefined && password !== undefined && password !== '') {
    return masked({ username, password }, ['password']);
  } else if (username !== undefined && !refused('password', 'passwordFile')) {
    const key = source.username === undefined ? 'url' : 'username';
    complain(
      key,
      `names a user, but its password is not set; set ${variableOf(['source', 'password'])}`,
    );
  } else if (password !== undefined && !refused('username', 'url')) {
    complain('password', 'is set, but source.username is not');
  }
  return undefined;
}

function trackingOf(tracking: NonNullable<Config['tracking']>, judge: Judge): TrackingSettings {
  const { url } = tracking;
  const tls = tlsOf(tracking, judge);
  return masked(
    {
      host: url?.host ?? '',
      port: url?.port ?? 3306,
      ...(url?.socketPath !== undefined && { socketPath: url.socketPath }),
      user: url?.user ?? '',
      password: tracking.password ?? url?.password ?? '',
      database: url?.database ?? '',
      ...(tls && { tls }),
    },
    ['password'],
  );
}

function tlsOf(
  { tls, url }: NonNullable<Config['tracking']>,
  judge: Judge,
): TrackingSettings['tls'] {
  if (tls === undefined) return undefined;
  const { mode, caFile, verifyName = true, insecure = false } = tls;
  if (mode === 'off') {
    if (caFile !== undefined || insecure) {
      const message = 'is off, but has a caFile or insecure, too; keep one of them';
      refuse(['tracking', 'tls'], message, judge);
    }
    const warning = url && plainTrackingWarning(url);
    if (warning !== undefined) judge.warnings.push(warning);
    return mode;
  }
  if (insecure) warnInsecure(['tracking', 'tls', 'insecure'], 'MySQL', judge);
  if (!verifyName && caFile === undefined) {
    const message =
      'is false, and any certificate of a public authority would do; set tracking.tls.caFile to the authority of this server alone';
    refuse(['tracking', 'tls', 'verifyName'], message, judge);
  }
  return {
    ...(caFile !== undefined && { caFile }),
    ...(!verifyName && { verifyName }),
    insecure,
  };
}

function targetOf(target: NonNullable<Config['target']>, judge: Judge): TargetSettings | undefined {
  const { url, region, endpoint, caFile } = target;
  if (url === undefined) return undefined;
  const layout = target.layout ?? 'message';
  const { mode } = target;
  if (url.kind === 'file') return { ...url, layout, ...(mode !== undefined && { mode }) };
  if (mode !== undefined)
    refuse(['target', 'mode'], 'is for a target file:// only; remove it', judge);
  if (target.insecure === true) warnInsecure(['target', 'insecure'], 'S3', judge);
  else if (endpoint !== undefined)
    refuseHttp(['target', 'endpoint'], [endpoint], 'the messages and session tokens', judge);
  const encryption = encryptionOf(target.encryption, judge);
  return {
    ...url,
    layout,
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(caFile !== undefined && { caFile }),
    ...(encryption && { encryption }),
    // What has an endpoint of its own is seldom reached by a bucket's host name.
    forcePathStyle: target.forcePathStyle ?? target.endpoint !== undefined,
    insecure: target.insecure ?? false,
    ...(target.requesterPays === true && { requesterPays: true }),
    ...(target.bucketOwner !== undefined && { bucketOwner: target.bucketOwner }),
  };
}

function queueOf(queue: Config['queue'], judge: Judge): Pick<Settings, 'queue'> {
  if (queue?.url === undefined) return {};
  const { url, region } = queue;
  const named = regionOf(url);
  if (region !== undefined && named !== undefined && region !== named) {
    const message = `is ${region}, and queue.url names ${named}: remove it, or correct the URL`;
    refuse(['queue', 'region'], message, judge);
  }
  if (queue.insecure === true) warnInsecure(['queue', 'insecure'], 'SQS', judge);
  else refuseHttp(['queue', 'url'], [url], 'the batches and session tokens', judge);
  return {
    queue: {
      url,
      ...(region !== undefined && { region }),
      ...(queue.insecure === true && { insecure: true }),
    },
  };
}

const ALERT_FAILURE_RATE = 0.05;

function monitorOf(monitor: Config['monitor'] = {}, judge: Judge): MonitorSettings {
  const { metricsNamespace, logGroup, alertTopic, region, insecure } = monitor;
  if (insecure === true) warnInsecure(['monitor', 'insecure'], 'CloudWatch and SNS', judge);
  return {
    ...(metricsNamespace !== undefined && { metricsNamespace }),
    ...(logGroup !== undefined && { logGroup }),
    ...(alertTopic !== undefined && { alertTopic }),
    ...(region !== undefined && { region }),
    ...(insecure === true && { insecure }),
    alertFailureRate: monitor.alertFailureRate ?? ALERT_FAILURE_RATE,
  };
}

type Encryption = NonNullable<Config['target']>['encryption'];

function encryptionOf(encryption: Encryption, judge: Judge) {
  if (encryption === undefined) return undefined;
  const { type, keyId } = encryption;
  const complain = (name: string, message: string): void =>
    refuse(['target', 'encryption', name], message, judge);
  if (type === 'sse-kms') return { type, ...(keyId !== undefined && { keyId }) };
  if (type === undefined && !judge.mentioned(['target', 'encryption', 'type'])) {
    complain('type', 'is not set; give sse-s3 or sse-kms');
  }
  if (type === 'sse-s3' && keyId !== undefined) complain('keyId', 'is for type: sse-kms only');
  return type && { type };
}

/** Adds a problem with the value of a key, where that was written. */
function refuse(key: KeyPath, message: string, { problems, where }: Judge): void {
  problems.add({ where: where(key), key: key.join('.'), message });
}

function clampConcurrency(concurrency: number, judge: Judge): number {
  if (concurrency <= MAX_CONCURRENCY) return concurrency;
  judge.warnings.push(
    `concurrency: ${concurrency} is more than is of use; ${MAX_CONCURRENCY} is taken`,
  );
  return MAX_CONCURRENCY;
}

function warnInsecure(key: KeyPath, server: string, judge: Judge): void {
  judge.warnings.push(insecureWarning(key.join('.'), server));
}

function refuseHttp(key: KeyPath, urls: readonly string[], what: string, judge: Judge): void {
  const message = unencrypted(urls, what, `${key[0] ?? ''}.insecure`);
  if (message !== undefined) refuse(key, message, judge);
}
