import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { awsPrerequisites, prepareAws } from './aws/prepare.js';
import { startAws, type AwsCoordinates } from './aws/start.js';
import { elasticsearchPrerequisites, prepareElasticsearch } from './elasticsearch/prepare.js';
import { startElasticsearch, type ElasticsearchCoordinates } from './elasticsearch/start.js';
import { mariadbPrerequisites, prepareMariadb } from './mariadb/prepare.js';
import { startMariadb, type MysqlCoordinates } from './mariadb/start.js';
import { refuseUnlessInstallable, type Prerequisite } from './prerequisites.js';
import type { Guarded } from './guard.js';
import { prepareS3, s3Prerequisites } from './s3/prepare.js';
import { startS3, type S3Coordinates } from './s3/start.js';
import type { Started } from './server.js';
import { prepareSqs, sqsPrerequisites } from './sqs/prepare.js';
import { startSqs, type SqsCoordinates } from './sqs/start.js';

export type {
  AwsCoordinates,
  ElasticsearchCoordinates,
  MysqlCoordinates,
  S3Coordinates,
  SqsCoordinates,
};

/** Where each server is; plain data. */
export interface Coordinates {
  readonly elasticsearch: ElasticsearchCoordinates;
  readonly mysql: MysqlCoordinates;
  readonly s3: S3Coordinates;
  readonly sqs: SqsCoordinates;
  readonly aws: AwsCoordinates;
}

/** Those of the servers that are started unless others are asked for. */
export type UsualCoordinates = Pick<Coordinates, UsualName>;

export type ServerName = keyof Coordinates;

/** Throw-away servers on 127.0.0.1. They stop, and `dir` goes, at the latest when this process ends, however it ends. */
export type Sandbox<Name extends ServerName = UsualName> = Pick<Coordinates, Name> & {
  /** Temporary directory of all of them; anything put there goes with it. */
  readonly dir: string;
  /** The servers' own processes. */
  readonly pids: Readonly<Record<Name, number>>;
  /** Ends one as a power cut would: SIGKILL. Resolves when its process is gone. */
  kill(name: Name): Promise<void>;
  /** Starts one that was killed, on the data, port and credentials it had. Resolves when it answers. */
  restart(name: Name): Promise<void>;
  /** Kills them and removes `dir`; resolves when that is done. */
  stop(): Promise<void>;
};

export interface SandboxOptions<Name extends ServerName = UsualName> {
  /** Which servers; those that a run by hand needs, unless said. */
  readonly servers?: readonly Name[];
  /** Told what takes long, one line each. */
  readonly report?: (line: string) => void;
  /** What is enough for a demo, unless said. */
  readonly sizes?: Partial<Sizes>;
  /** Ends downloads, builds and starts; what is running then is stopped, and the signal's reason thrown. */
  readonly stop?: AbortSignal;
}

/** Memory and logs of the servers, in MiB. */
export interface Sizes {
  /** Of Elasticsearch. */
  readonly heap: number;
  /** Of MariaDB. */
  readonly bufferPool: number;
  readonly redoLog: number;
}

const SIZES: Sizes = { heap: 1024, bufferPool: 256, redoLog: 32 };

type Report = (line: string) => void;
type Start = (sandbox: string, stop: AbortSignal) => Promise<Started<unknown>>;

/** How each server gets ready to start (downloads, builds) and starts. */
interface Kind {
  prerequisites(): Promise<readonly Prerequisite[]>;
  prepare(report: Report, stop: AbortSignal, sizes: Sizes): Promise<Start>;
}

const KINDS: Record<ServerName, Kind> = {
  elasticsearch: {
    prerequisites: elasticsearchPrerequisites,
    prepare: async (report, preparing, { heap }) => {
      const prepared = await prepareElasticsearch(report, preparing);
      return (sandbox, stop) => startElasticsearch(sandbox, prepared, heap, stop);
    },
  },
  mysql: {
    prerequisites: () => Promise.resolve(mariadbPrerequisites),
    prepare: async (report, preparing, sizes) => {
      const prepared = await prepareMariadb(report, preparing);
      return (sandbox, stop) => startMariadb(sandbox, prepared, sizes, stop);
    },
  },
  s3: {
    prerequisites: () => Promise.resolve(s3Prerequisites()),
    prepare: async (report, preparing) => {
      const program = await prepareS3(report, preparing);
      return (sandbox, stop) => startS3(sandbox, program, stop);
    },
  },
  sqs: {
    prerequisites: sqsPrerequisites,
    prepare: async (report, preparing) => {
      const jars = await prepareSqs(report, preparing);
      return (sandbox, stop) => startSqs(sandbox, jars, stop);
    },
  },
  aws: {
    prerequisites: () => Promise.resolve(awsPrerequisites()),
    prepare: async (report, preparing) => {
      const packages = await prepareAws(report, preparing);
      return (sandbox, stop) => startAws(sandbox, packages, stop);
    },
  },
};

/** What a run by hand needs; the others have to be asked for. */
export const USUAL = ['elasticsearch', 'mysql', 's3'] as const satisfies readonly ServerName[];
type UsualName = (typeof USUAL)[number];
/** What the tests need. */
export const TEST_SERVERS = [...USUAL, 'sqs', 'aws'] as const satisfies readonly ServerName[];

/**
 * Starts real servers on free ports of 127.0.0.1, in parallel, in a temporary directory. The first time it
 * fetches and builds them (minutes), later it takes them from the cache (seconds).
 *
 * @throws MigrateError `usage` when a program is missing and can't be installed from here, when a download fails,
 *   or when a server doesn't come up (with the end of its log).
 */
export async function startSandbox<Name extends ServerName = UsualName>(
  options: SandboxOptions<Name> = {},
): Promise<Sandbox<Name>> {
  const names: readonly ServerName[] = options.servers ?? USUAL;
  const {
    report = () => undefined,
    sizes = {},
    stop: given = new AbortController().signal,
  } = options;

  const needed = await Promise.all(names.map((name) => KINDS[name].prerequisites()));
  await refuseUnlessInstallable(needed.flat());
  const starts = await together(given, names, (name, stop) =>
    KINDS[name].prepare(report, stop, { ...SIZES, ...sizes }),
  );

  const dir = await mkdtemp(join(tmpdir(), 'es-migrate-sandbox-'));
  const running: Guarded[] = [];
  const stop = async () => {
    await Promise.all(running.map((server) => server.stop()));
    // The last guard has removed it, unless none was ever started.
    await rm(dir, { recursive: true, force: true });
  };
  const begin = async (start: Start, signal: AbortSignal) => {
    const server = await start(dir, signal);
    running.push(server.process);
    return server;
  };
  const started = await together(given, starts, begin).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const current = new Map(
    names.map((name, at) => [name, (started[at] as Started<unknown>).process]),
  );
  const byName = <Value>(pick: (server: Started<unknown>) => Value) =>
    Object.fromEntries(names.map((name, at) => [name, pick(started[at] as Started<unknown>)]));
  return {
    ...byName((server) => server.coordinates),
    get pids() {
      return Object.fromEntries([...current].map(([name, { pid }]) => [name, pid]));
    },
    dir,
    kill: async (name: Name) => {
      const server = current.get(name) as Guarded;
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
    },
    restart: async (name: Name) => {
      const server = await (started[names.indexOf(name)] as Started<unknown>).again();
      running.push(server);
      current.set(name, server);
    },
    stop,
  } as unknown as Sandbox<Name>;
}

/**
 * Works on all items at once. When one fails, or `given` is aborted, the others are told to stop and waited for,
 * so nothing goes on behind an error.
 *
 * @throws what failed first, or the reason of `given`.
 */
async function together<Item, Result>(
  given: AbortSignal,
  items: readonly Item[],
  work: (item: Item, stop: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const failed = new AbortController();
  const stop = AbortSignal.any([given, failed.signal]);
  const outcomes = await Promise.allSettled(
    items.map(async (item) => {
      try {
        stop.throwIfAborted();
        return await work(item, stop);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  stop.throwIfAborted();
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}
