import { statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { createConnection, type Connection } from 'mysql2/promise';
import { startSandbox, type Sandbox } from '../../sandbox/index.js';
import { createSampleIndices, loadSample, sampleIndices } from '../../sandbox/sample.js';
import type { Options } from '../options.js';
import { pin, pinning } from './pin.js';

/** Messages that lie in Elasticsearch. */
export interface Sample {
  readonly messages: number;
  /** Records in the three related indices together. */
  readonly related: number;
  /** Stands before the names of its indices. */
  readonly prefix: string;
  readonly indices: ReturnType<typeof sampleIndices>;
}

/** The real servers of one run of benchmarks, pinned, and the messages in them. */
export interface World {
  readonly options: Options;
  readonly servers: Sandbox;
  /** How Elasticsearch and all else are bound to CPUs, in words. */
  readonly pinned: string;
  /** File system that all servers' files lie on, such as `ext4`. */
  readonly fileSystem: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly report: (line: string) => void;
  /** Messages with (or without) their related records; loaded once a run. Nothing is being merged any more when it resolves. */
  sample(messages: number, related: 'realistic' | 'none'): Promise<Sample>;
  /** Loads with all CPUs for all servers; pinned again, and nothing being merged any more, when it resolves. */
  loading<T>(work: () => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export const RANGE = { from: '2024-10-01', to: '2024-10-07' } as const;
export const FROM = new Date('2024-10-01T00:00:00Z');
export const TO = new Date('2024-10-08T00:00:00Z');

/** In MiB. More than is written: with 1 GiB statements of MariaDB 10.11.19 waited for good, once it was nearly full. */
export const REDO_LOG = 8192;

export async function openWorld(options: Options, report: (line: string) => void): Promise<World> {
  const able = pinning();
  // First of all: what is started from here on inherits it.
  const allCores = `0-${cpus().length - 1}`;
  const servers = await startSandbox({
    report,
    sizes: { bufferPool: options.bufferPool, redoLog: REDO_LOG },
  });
  const loaded = new Map<string, Promise<Sample>>();
  const bind = (elasticsearch: string, others: string) => {
    if (!able.possible) return;
    pin(servers.pids.elasticsearch, elasticsearch);
    for (const pid of [servers.pids.mysql, servers.pids.s3, process.pid]) pin(pid, others);
  };
  const loading: World['loading'] = async (work) => {
    bind(allCores, allCores);
    const result = await work();
    await mergesEnded(servers.elasticsearch.url);
    bind(options.elasticsearchCores, options.otherCores);
    return result;
  };
  const sample: World['sample'] = (messages, related) => {
    const key = `${messages}-${related}`;
    const there =
      loaded.get(key) ?? loading(() => load(servers, `b${key}-`, messages, related, report));
    loaded.set(key, there);
    return there;
  };
  try {
    bind(options.elasticsearchCores, options.otherCores);
    return {
      options,
      servers,
      report,
      sample,
      loading,
      pinned: able.possible
        ? `Elasticsearch on CPU ${options.elasticsearchCores}, all else on CPU ${options.otherCores}`
        : `not pinned: ${able.why}`,
      fileSystem: await fileSystemOf(servers.dir),
      versions: await versionsOf(servers),
      stop: () => servers.stop(),
    };
  } catch (error) {
    await servers.stop();
    throw error;
  }
}

/** What this machine is, for those who read the figures later. */
export function machine(): { cpu: string; cpus: number; memoryGb: number } {
  const [one] = cpus();
  return {
    cpu: one?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
  };
}

export async function asAdministrator<T>(
  { mysql }: Pick<Sandbox, 'mysql'>,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { host, port, user, password } = mysql;
  const connection = await createConnection({ host, port, user, password });
  try {
    return await work(connection);
  } finally {
    await connection.end();
  }
}

async function load(
  { elasticsearch }: Sandbox,
  prefix: string,
  messages: number,
  related: 'realistic' | 'none',
  report: (line: string) => void,
): Promise<Sample> {
  const { url } = elasticsearch;
  await createSampleIndices(url, prefix);
  const loaded = await loadSample(url, {
    messages,
    from: FROM,
    to: TO,
    relatedPerMessage: related,
    prefix,
    report,
  });
  return { messages, related: loaded.related, prefix, indices: sampleIndices(prefix) };
}

/** Loading leaves segments to be merged, which would run beside what is measured. */
async function mergesEnded(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/_stats/merge`);
    const { _all } = (await answer.json()) as { _all: { total: { merges: { current: number } } } };
    if (_all.total.merges.current === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** By its magic number, for those one meets; the number itself for others. */
async function fileSystemOf(directory: string): Promise<string> {
  const names: Record<number, string> = {
    0xef53: 'ext4',
    0x58465342: 'xfs',
    0x01021994: 'tmpfs',
    0x9123683e: 'btrfs',
    0x794c7630: 'overlay',
  };
  const { type } = await statfs(directory);
  return names[type] ?? `0x${type.toString(16)}`;
}

async function versionsOf(servers: Sandbox): Promise<Record<string, string>> {
  const root = (await (await fetch(servers.elasticsearch.url)).json()) as {
    version: { number: string };
  };
  const database = await asAdministrator(servers, async (connection) => {
    const [rows] = await connection.query('SELECT VERSION() AS version');
    return (rows as { version: string }[])[0]?.version ?? 'unknown';
  });
  return { node: process.versions.node, elasticsearch: root.version.number, mysql: database };
}
