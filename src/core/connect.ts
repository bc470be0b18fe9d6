import type { RelatedSource } from './elasticsearch/join.js';
import type { SourceLimit } from './elasticsearch/limiter.js';
import type { Source } from './elasticsearch/source.js';
import { usage } from './errors.js';
import { LimitNotice } from './limit-notice.js';
import { requirePrefix } from './objects/require-prefix.js';
import type { KeyStyle } from './objects/keys.js';
import type { ClaimedPrefix, Target } from './objects/target.js';
import type { Outbox, OutboxPlace } from './queue/outbox.js';
import type { Queue } from './queue/queue.js';
import { retrying, type RetryPolicy } from './retry.js';
import type { Run } from './run.js';
import { knowSecrets } from './secrets/known.js';
import { secretsOf } from './secrets/of-settings.js';
import type { Settings } from './settings.js';
import { Database } from './tracking/database.js';
import { databaseId } from './tracking/lookup.js';
import { migrateSchema, schemaVersion, type MigrationOutcome } from './tracking/schema.js';

/** How long renewing or giving back a lease is retried, in milliseconds. */
const LEASE_PATIENCE_MS = 5_000;

/** The outside worlds of a run, connected and checked. */
export interface Connections {
  readonly settings: Settings;
  readonly database: Database;
  /** False where nobody has made the tables yet, and this run may not. */
  readonly hasSchema: boolean;
  /** How this run's requests are retried. */
  readonly policy: RetryPolicy;
  /**
   * A connection of its own for renewing and giving back leases: busy statements must not make one run out, and a
   * run that ends because MySQL is down must not wait for it once more.
   */
  readonly leases: Database;
  /** @throws Error where `connect` was not asked for it, as the following */
  readonly source: Source;
  /** The concrete indices `source.index` stands for. */
  readonly indices: readonly string[];
  /** What is needed to read the related indices. */
  readonly related: readonly RelatedSource[];
  readonly target: Target;
  /** What was seen of the target. */
  readonly prefix: ClaimedPrefix;
  /** Undefined where `connect` was not asked for it, or none is configured. */
  readonly queue: QueueConnection | undefined;
  close(): Promise<void>;
}

export interface QueueConnection {
  readonly queue: Queue;
  readonly outbox: Outbox;
  /** See QueueState. */
  readonly maxReceives: number | undefined;
}

/** What one process of a command has found, for the others: plain data. */
export interface Findings {
  readonly indices: readonly string[];
  readonly related: readonly RelatedSource[];
  readonly prefix: ClaimedPrefix;
}

export interface Wants {
  /** Messages are read: index, date field, filter and related indices are checked, also where only ids are wanted. */
  readonly source?: boolean;
  /** With `source`, objects are written: the prefix is claimed. */
  readonly target?: boolean;
  /** Batches are sent to the queue, where one is configured, or come from there, which takes its dead-letter queue, too. */
  readonly queue?: 'send' | 'receive' | undefined;
  /** Nothing may be written, neither schema nor prefix. */
  readonly readOnly?: boolean;
  /** `claim`, unless said: the prefix becomes ours. `require`: it has to be ours already, and nothing is written there. */
  readonly prefix?: 'claim' | 'require';
  /**
   * Another process of this command is connected and has found this: source, schema and prefix are not looked at again,
   * and fewer connections to the tracking database are taken, since there are several such processes.
   */
  readonly known?: Findings;
  /** Two connections to the tracking database are all that are taken, one of them for leases. */
  readonly fewConnections?: boolean;
}

/**
 * Opens what is wanted and checks it, in an order in which nothing is touched before all that only reads is
 * done: the source, then the tracking database, whose schema is brought up to date, then the target's prefix.
 *
 * @throws MigrateError `usage` (configuration, credentials, privileges, mappings, a newer schema, another
 *   database's prefix), `unavailable`
 */
export async function connect(settings: Settings, wants: Wants, run: Run): Promise<Connections> {
  knowSecrets(secretsOf(settings));
  const policy: RetryPolicy = {
    retryForMs: settings.retryForMs,
    report: run.report,
    stop: run.stop,
  };
  const opened: { close(): Promise<void> }[] = [];
  const open = <T extends { close(): Promise<void> }>(one: T): T => {
    opened.push(one);
    return one;
  };
  const notice = new LimitNotice(run, settings.limits.sourceRequestsPerSecond);
  const close = async () => {
    await notice.close();
    await Promise.all(opened.map((one) => one.close()));
  };
  try {
    const source = wants.source ? open(await connectSource(settings, policy, notice)) : undefined;
    const found = wants.known ?? (source && (await inspect(run, source)));
    const queue = wants.queue && (await connectQueue(settings, wants, policy, run, open));
    const target = wants.target
      ? open(await connectTarget(settings, run, wants.known?.prefix))
      : undefined;
    const [connections, forLeases] = connectionsOf(settings, wants);
    const database = open(new Database(settings.tracking, policy, connections));
    const leases = open(
      new Database(settings.tracking, { ...policy, retryForMs: LEASE_PATIENCE_MS }, forLeases),
    );
    const hasSchema = wants.known !== undefined || (await preparedSchema(run, wants, database)) > 0;
    if (source && !wants.readOnly) notice.publish(leases, () => source.liftIdleLimit());
    let prefix = wants.known?.prefix ?? UNSEEN;
    if (target && source && !wants.readOnly && !wants.known) {
      const owner = { databaseId: await databaseId(database) };
      const own = async () => {
        if (wants.prefix !== 'require') return target.claimPrefix(owner, run.stop);
        return requirePrefix(target, owner, run.stop);
      };
      prefix = await retrying(policy, own, { signal: run.stop });
      const cautions = [...(prefix.cautions ?? []), ...(prefix.ignoresConditions ? [IGNORED] : [])];
      for (const message of cautions) run.report({ type: 'log', level: 'warn', message });
    }
    return {
      settings,
      database,
      queue: queue && (await withOutbox(queue, { database, leases, index: settings.source.index })),
      hasSchema,
      policy,
      leases,
      prefix,
      close,
      get source() {
        return wanted(source, 'source');
      },
      get indices() {
        return wanted(found, 'source').indices;
      },
      get related() {
        return wanted(found, 'source').related;
      },
      get target() {
        return wanted(target, 'target');
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** How keys of objects are made in the target. */
export function keyStyleOf({
  prefix,
  settings,
}: Pick<Connections, 'prefix' | 'settings'>): KeyStyle {
  return prefix.keyStyle ?? (settings.target?.kind === 'file' ? 'file' : 's3');
}

/** Connections to the tracking database: for its work, and for leases alone. */
function connectionsOf(
  { concurrency }: Settings,
  { known, fewConnections }: Wants,
): [number, number] {
  if (fewConnections) return [1, 1];
  const busy = known ? 1 : Math.min(concurrency, 8);
  return [busy + 2, busy + 1];
}

async function connectSource(
  settings: Settings,
  policy: RetryPolicy,
  notice: LimitNotice,
): Promise<Source> {
  const { openSource } = await import('./elasticsearch/source.js');
  const onLimit = (limit: SourceLimit | undefined) => notice.changed(limit);
  return openSource(settings.source, settings.limits, policy, onLimit);
}

/** Where nothing is written, nothing is tried. */
const UNSEEN: ClaimedPrefix = { ignoresConditions: false };
const IGNORED =
  'the store at target.url ignores If-None-Match: each key is looked at before it is written, which costs a request more, and two writers of one key at the same moment may replace each other unseen';

type OpenQueue = Omit<QueueConnection, 'outbox'>;

async function connectQueue(
  settings: Settings,
  wants: Wants,
  policy: RetryPolicy,
  run: Run,
  open: <T extends { close(): Promise<void> }>(one: T) => T,
): Promise<OpenQueue | undefined> {
  if (!settings.queue) return undefined;
  if (settings.source.index === '') {
    throw usage(
      'queue.url is set, and source.index is not',
      'Set source.index: batches of jobs over other indices are not sent.',
    );
  }
  const { openSqs } = await import('./queue/sqs.js');
  const queue = open(openSqs(settings.queue, policy));
  const state = await queue.state(run.stop);
  const { maxReceives } = state;
  if (maxReceives !== undefined && maxReceives < 3) {
    throw usage(
      `the queue ${settings.queue.url} gives a message up after ${maxReceives} ${maxReceives === 1 ? 'receipt' : 'receipts'}`,
      'Set maxReceiveCount of its redrive policy to 5: a worker that is stopped or replaced may cost a receipt, and the last one is not worked on.',
    );
  }
  // Not in the middle of the work, because of the first message that nobody can use.
  const isToLook = wants.queue === 'receive' && !wants.known;
  if (isToLook && (await queue.findDeadLetters(state, run.stop)) === undefined) {
    const message =
      'the queue has no dead-letter queue: messages that nobody can use are deleted; give it a redrive policy with maxReceiveCount 5 to keep them';
    run.report({ type: 'log', level: 'warn', message });
  }
  return { queue, maxReceives };
}

async function withOutbox(
  open: OpenQueue,
  place: Omit<OutboxPlace, 'databaseId'>,
): Promise<QueueConnection> {
  const { Outbox } = await import('./queue/outbox.js');
  const outbox = new Outbox(open.queue, { ...place, databaseId: await databaseId(place.database) });
  return { ...open, outbox };
}

async function connectTarget(
  { target }: Settings,
  { host }: Run,
  known: ClaimedPrefix | undefined,
): Promise<Target> {
  if (!target) throw usage('no target is configured', 'Set target.url, or ES_MIGRATE_TARGET_URL.');
  const { openTarget } = await import('./objects/open-target.js');
  return openTarget(target, host, known);
}

async function inspect(run: Run, source: Source): Promise<Omit<Findings, 'prefix'>> {
  const found = await source.inspect(run.stop);
  const related = await source.inspectRelated(found.indices, run.stop);
  warn(run, [found, ...related]);
  return { indices: found.indices, related };
}

/** Each caution once, though several related records may lie in one index. */
function warn(run: Run, inspected: readonly { cautions: readonly string[] }[]): void {
  for (const message of new Set(inspected.flatMap(({ cautions }) => cautions))) {
    run.report({ type: 'log', level: 'warn', message });
  }
}

/** Applies migrations/ and nothing else. */
export async function migrateDatabase(settings: Settings, run: Run): Promise<MigrationOutcome> {
  knowSecrets(secretsOf(settings));
  const database = new Database(
    settings.tracking,
    { retryForMs: settings.retryForMs, report: run.report },
    1,
  );
  try {
    return await migrateSchema(database, run.report);
  } finally {
    await database.close();
  }
}

function preparedSchema(run: Run, { readOnly }: Wants, database: Database): Promise<number> {
  return readOnly ? schemaVersion(database) : migrated(run, database);
}

/** Brings the schema up to date, and says so where that changed it. */
async function migrated(run: Run, database: Database): Promise<number> {
  const { applied, version } = await migrateSchema(database, run.report);
  if (applied.length > 0) {
    const message = `tracking database: applied ${applied.join(', ')}`;
    run.report({ type: 'log', level: 'info', message });
  }
  return version;
}

function wanted<T>(connection: T | undefined, name: string): T {
  if (connection === undefined) throw new Error(`connect was not asked for the ${name}`);
  return connection;
}
