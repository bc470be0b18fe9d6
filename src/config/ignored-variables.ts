import { isLoopback } from '../core/loopback.js';
import type { Settings } from '../core/settings.js';

type Environment = Readonly<Record<string, string | undefined>>;

const PROXIES = [
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'ALL_PROXY',
  'all_proxy',
];

/** Variables that other programs follow and es-migrate does not, one line each. Values are not shown: they may hold secrets. */
export function ignoredVariables(env: Environment, settings: Settings): string[] {
  return [...uncheckedTls(env), ...proxies(env, settings)];
}

function uncheckedTls({ NODE_TLS_REJECT_UNAUTHORIZED: value }: Environment): string[] {
  return value === '0'
    ? [
        'NODE_TLS_REJECT_UNAUTHORIZED=0 is set and not followed: es-migrate checks certificates; name a private authority in caFile',
      ]
    : [];
}

/** MySQL has no way through such a proxy, and a migration's bytes are more than most are made for. */
function proxies(env: Environment, settings: Settings): string[] {
  const name = PROXIES.find((one) => (env[one] ?? '') !== '');
  if (name === undefined) return [];
  const direct = exceptions(env['no_proxy'] ?? env['NO_PROXY'] ?? '');
  return hostsOf(settings).every((host) => isLoopback(host) || direct(host))
    ? []
    : [
        `${name} is set and not used: es-migrate connects to every server directly, without a proxy`,
      ];
}

/** By NO_PROXY: names with all below them, `*` for all; ports are left out of account. */
function exceptions(list: string): (host: string) => boolean {
  const names = list
    .toLowerCase()
    .split(/[\s,]+/)
    .map((entry) => entry.replace(/^\*?\./, '').replace(/:\d+$/, ''))
    .filter((entry) => entry !== '');
  return (host) => names.some((name) => name === '*' || host === name || host.endsWith(`.${name}`));
}

/** Those that are reached by HTTP. */
function hostsOf({ source, target, queue, monitor }: Settings): string[] {
  const urls = [...source.urls, ...(queue ? [queue.url] : [])];
  const monitors = [monitor?.metricsNamespace, monitor?.logGroup, monitor?.alertTopic];
  const usesAws = monitors.some((one) => one !== undefined);
  if (target?.kind === 's3' && target.endpoint !== undefined) urls.push(target.endpoint);
  else if (target?.kind === 's3' || usesAws) urls.push('https://amazonaws.com');
  return urls.map((url) => new URL(url).hostname);
}
