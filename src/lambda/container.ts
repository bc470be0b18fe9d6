import { explain } from '../commands/failure.js';
import { shownLine } from '../commands/terminal/printable.js';
import { createRun } from '../commands/create-run.js';
import { readSettings } from '../config/read-settings.js';
import type { Needs } from '../config/settle.js';
import { connect, type Connections } from '../core/connect.js';
import { isMigrateError, MigrateError } from '../core/errors.js';
import { isFault, isForeseen } from '../core/fault.js';
import { sendAnew } from '../core/queue/send-anew.js';
import type { Delivery } from '../core/queue/queue.js';
import type { Host, Run, RunEvent } from '../core/run.js';
import type { Settings } from '../core/settings.js';
import { Meter } from '../monitor/meter.js';
import type { Context } from './event.js';
import { LambdaLog } from './log.js';
import { writeMetrics } from './metrics.js';

/** What an invocation works with. */
export interface Invocation {
  readonly run: Run;
  readonly on: Connections;
  readonly log: LambdaLog;
  readonly meter: Meter;
}

/**
 * What is kept from one invocation to the next, as long as Lambda keeps the container: settings and connections. A
 * failed invocation lets go of them, so that what was corrected meanwhile counts.
 */
export class Container {
  readonly #needs: Needs;
  readonly #queueFor: 'send' | 'receive';
  readonly #log = new LambdaLog();
  readonly #meter = new Meter();
  #settings: Promise<Settings> | undefined;
  /** Of the metrics, as it was last configured. */
  #namespace: string | undefined;
  #connections: Promise<Connections> | undefined;

  constructor(needs: Needs, queueFor: 'send' | 'receive') {
    this.#needs = { ...needs, queue: true };
    this.#queueFor = queueFor;
  }

  /** Whether there is time to begin anything that may take `endMs` to end. Where there is none, the log says so. */
  hasTime(context: Context, endMs: number): boolean {
    const leftMs = context.getRemainingTimeInMillis();
    if (leftMs > endMs) return true;
    this.#log.begin(context);
    const message = `nothing is begun with ${Math.floor(leftMs / 1000)} s left: give the function a timeout of well over ${endMs / 1000} s`;
    this.#log.write({ level: 'warn', message });
    return false;
  }

  /**
   * @param endMs the run is told to stop when no more than that is left
   * @throws Told what ended the invocation, told in the log in words for an operator
   */
  async invoke<T>(
    context: Context,
    endMs: number,
    work: (invocation: Invocation) => Promise<T>,
  ): Promise<T> {
    const log = this.#log;
    const meter = this.#meter;
    meter.begin();
    log.begin(context);
    const stop = new AbortController();
    const left = Math.max(0, context.getRemainingTimeInMillis() - endMs);
    const timer = setTimeout(() => stop.abort(new Error('the function’s time is up')), left);
    if (left === 0) stop.abort(new Error('no time is left to begin anything'));
    try {
      const on = await inTime((this.#connections ??= this.#connect()), stop.signal);
      const run = createRun(stop.signal, this.#report, OPAQUE);
      return await work({ run, on, log, meter });
    } catch (error) {
      this.#tell(error);
      this.close();
      throw new Told(error);
    } finally {
      clearTimeout(timer);
      if (this.#namespace !== undefined) writeMetrics(log, this.#namespace, meter.take());
    }
  }

  /**
   * Sends messages anew, over a connection to the queue alone, and deletes those that were handed to us.
   *
   * @returns those that are left: nobody can read them, or the queue can't be reached, which is told
   */
  async sendAnew(
    context: Context,
    deliveries: readonly Delivery[],
    delaySeconds: number,
  ): Promise<readonly Delivery[]> {
    if (deliveries.length === 0) return deliveries;
    const queue = await this.#queue();
    if (!queue) return deliveries;
    try {
      const { openSqs } = await import('../core/queue/sqs.js');
      const open = openSqs(queue, { retryForMs: RETRY_FOR_MS, report: this.#report });
      const patience = AbortSignal.timeout(Math.floor(context.getRemainingTimeInMillis() / 2));
      return await sendAnew(open, deliveries, delaySeconds, patience).finally(() => open.close());
    } catch (error) {
      this.#tell(error);
      return deliveries;
    }
  }

  async #queue(): Promise<Settings['queue']> {
    try {
      return (await this.#load()).queue;
    } catch {
      // What is wrong is told where settings are needed first. The queue is no secret: where it stands in the environment, it
      // is known even where nobody gives us the others.
      this.#settings = undefined;
      const url = process.env['ES_MIGRATE_QUEUE_URL'];
      return url === undefined ? undefined : { url };
    }
  }

  /** Lets go of everything. Nobody waits for it: a server that is down would not answer. */
  close(): void {
    const connections = this.#connections;
    this.#connections = undefined;
    this.#settings = undefined;
    connections?.then((on) => on.close()).catch(() => undefined);
  }

  /** One line, in words for an operator. */
  #tell(error: unknown): void {
    const [message, ...more] = explain(error, !isForeseen(error));
    this.#log.write({ level: 'error', message, ...(more.length > 0 && { more: more.join('\n') }) });
  }

  readonly #report = (event: RunEvent): void => {
    this.#log.report(event);
    this.#meter.report(event);
  };

  async #connect(): Promise<Connections> {
    const settings = await this.#load();
    // Outlives the invocation that made it.
    const run = createRun(new AbortController().signal, this.#report, OPAQUE);
    const wants = { ...this.#needs, queue: this.#queueFor, fewConnections: true };
    return connect(settings, wants, run);
  }

  #load(): Promise<Settings> {
    return (this.#settings ??= this.#read());
  }

  async #read(): Promise<Settings> {
    const log = this.#log;
    const { env } = process;
    const { settings, warnings } = await readSettings({
      ...{ cwd: env['LAMBDA_TASK_ROOT'] ?? process.cwd(), env, flags: {} },
      ...{ configPath: undefined, needs: this.#needs },
      // What lies in its folder came with the function.
      user: { uid: undefined, sudoUid: undefined },
    });
    for (const message of warnings) log.write({ level: 'warn', message });
    this.#namespace = settings.monitor?.metricsNamespace;
    // Past it a batch is sent anew with a delay: a function that waits is paid for, and ended in the middle of it.
    return { ...settings, retryForMs: Math.min(settings.retryForMs, RETRY_FOR_MS) };
  }
}

/**
 * What ended an invocation, for Lambda: it makes the invocation count as an error, and the runtime writes its words to the
 * log and gives them to who has called. No stack, which is in the log where it helps, and no secret.
 */
export class Told extends Error {
  /** A server was down, or time was up: the same will do later, without anybody seeing to it. */
  readonly #willPass: boolean;

  constructor(error: unknown) {
    const [message = ''] = explain(error, false);
    super(shownLine(message));
    if (error instanceof Error) this.name = error.name;
    this.stack = `${this.name}: ${this.message}`;
    this.#willPass = isMigrateError(error)
      ? error.kind !== 'usage'
      : isFault(error) && error.class === 'retriable';
  }

  static willPass(error: unknown): boolean {
    return error instanceof Told && error.#willPass;
  }
}

/** Waits for connections as long as there is time. */
async function inTime(connecting: Promise<Connections>, stop: AbortSignal): Promise<Connections> {
  const timeUp = new Promise<never>((_resolve, reject) => {
    const fail = () => {
      reject(
        new MigrateError(
          'unavailable',
          'the function’s time was up before all servers had answered',
        ),
      );
    };
    if (stop.aborted) fail();
    else stop.addEventListener('abort', fail, { once: true });
  });
  return Promise.race([connecting, timeUp]);
}

/** Functions may be started from one snapshot of a machine: what tells their processes apart is then the same. */
const OPAQUE: Pick<Host, 'identity' | 'stateOf'> = {
  identity: undefined,
  stateOf: () => 'unknown',
};

/** How long one request is retried at most, in milliseconds. */
const RETRY_FOR_MS = 8_000;
