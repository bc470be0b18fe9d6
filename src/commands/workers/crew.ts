import type { Connections } from '../../core/connect.js';
import { isMigrateError, MigrateError } from '../../core/errors.js';
import type { Carried, Carry, CarryOptions } from '../../core/process/types.js';
import type { ImposedLimit, ProgressEvent, Run, RunEvent } from '../../core/run.js';
import type { Settings } from '../../core/settings.js';
import { limitOfAll } from './limits.js';
import { OnceForAll } from './once.js';
import { shareBatches, shareLimits } from './shares.js';
import { startWorker, type WorkerEnd, type WorkerProcess } from './worker-process.js';

/** With `watch`: how often it is looked whether failed messages are to be put back, in milliseconds. */
const REQUEUE_POLL_MS = 5_000;

/**
 * Carries batches in `workers` processes, which share the limits and `maxBatches` between them; `concurrency` is each one's
 * own. When one of them fails, the others stop, and its error is thrown; when one of them dies, the others go on. Where all have
 * died, others may be started.
 */
export function carryByWorkers(workers: number): Carry {
  return async (run, on, options, requeue) => {
    const nothing = { completed: 0, failed: 0, lost: 0 };
    if (run.stop.aborted) return { ...nothing, ended: 'stopped' };
    if (options.expected === 0 && !options.watch) return { ...nothing, ended: 'nothing-left' };
    const crew = new Crew(run, on.settings, options.expected);
    const stop = () => crew.stop();
    const killAfterStop = () => {
      // A second signal ends the command at once. What ends it otherwise is noticed by the workers, which then stop.
      if (run.stop.aborted) crew.kill();
    };
    run.stop.addEventListener('abort', stop, { once: true });
    process.once('exit', killAfterStop);
    let requeued = Promise.resolve();
    const requeueSometimes = () => {
      requeued = requeued.then(requeue).catch((error: unknown) => crew.fail(error));
    };
    const timer = options.watch ? setInterval(requeueSometimes, REQUEUE_POLL_MS) : undefined;
    try {
      return await crew.carry(on, options, workers);
    } finally {
      clearInterval(timer);
      process.off('exit', killAfterStop);
      run.stop.removeEventListener('abort', stop);
      await requeued;
    }
  };
}

interface Member {
  readonly worker: WorkerProcess;
  /** Where it stands, as far as it has said. */
  progress: Pick<ProgressEvent, 'done' | 'failed' | 'uploads'>;
  limit: ImposedLimit | undefined;
  ended: Carried['ended'] | 'lost' | undefined;
}

/** The workers of one command, and what is known of them. */
class Crew {
  readonly #run: Run;
  readonly #settings: Settings;
  readonly #expected: number;
  readonly #once = new OnceForAll(() => performance.now());
  readonly #members: Member[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(run: Run, settings: Settings, expected: number) {
    this.#run = run;
    this.#settings = settings;
    this.#expected = expected;
  }

  async carry(
    { indices, related, prefix }: Connections,
    options: CarryOptions,
    workers: number,
  ): Promise<Carried> {
    const shares = shareBatches(options.maxBatches, workers);
    const settings = {
      ...this.#settings,
      limits: shareLimits(this.#settings.limits, shares.length),
    };
    const start = {
      type: 'start' as const,
      settings,
      known: { indices, related, prefix },
      sentAt: Date.now(),
    };
    this.#show();
    const ends = shares.map((maxBatches, index) => {
      const onEvent = (event: RunEvent) => this.#hear(index, event);
      const worker = startWorker({ ...start, options: { ...options, maxBatches } }, onEvent);
      const progress = { done: 0, failed: 0 };
      const member: Member = { worker, progress, limit: undefined, ended: undefined };
      this.#members.push(member);
      return worker.ended.then((end) => this.#end(member, end));
    });
    await Promise.all(ends);
    if (this.#failure) throw this.#failure.error;
    return this.#sum(options);
  }

  /** The first failure counts; the others finish or release what they have in flight. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.stop();
  }

  stop(): void {
    for (const { worker } of this.#members) worker.stop();
  }

  kill(): void {
    for (const { worker, ended } of this.#members) if (ended === undefined) worker.kill();
  }

  #hear(index: number, event: RunEvent): void {
    const member = this.#members[index];
    if (event.type === 'log') {
      if (this.#once.isNews(event, index)) this.#run.report(event);
    } else if (event.type === 'measured') {
      this.#run.report(event);
    } else if (member && event.type === 'limit') {
      this.#limit(member, event.limit);
    } else if (member && event.type === 'progress') {
      member.progress = event;
      this.#show();
    }
  }

  /** Everybody's figures as one. */
  #show(): void {
    const { done, failed } = this.#done();
    const total = Math.max(this.#expected, done);
    const atWork = this.#members.filter(({ ended }) => ended === undefined);
    const uploads = atWork.reduce((sum, { progress }) => sum + (progress.uploads ?? 0), 0);
    this.#run.report({ type: 'progress', stage: 'process', done, total, failed, uploads });
  }

  #limit(member: Member, limit: ImposedLimit | undefined): void {
    if (limit === undefined && member.limit === undefined) return;
    member.limit = limit;
    const atWork = this.#members.filter(({ ended }) => ended === undefined);
    const limits = atWork.map((one) => one.limit);
    const { sourceRequestsPerSecond } = this.#settings.limits;
    this.#run.report({ type: 'limit', limit: limitOfAll(limits, sourceRequestsPerSecond) });
  }

  #done(): { done: number; failed: number } {
    const sum = { done: 0, failed: 0 };
    for (const { progress } of this.#members) {
      sum.done += progress.done;
      sum.failed += progress.failed;
    }
    return sum;
  }

  #end(member: Member, end: WorkerEnd): void {
    const name = `worker ${member.worker.pid ?? ''}`;
    const isMeant = this.#run.stop.aborted || this.#failure !== undefined;
    member.ended = end.kind === 'done' ? end.carried.ended : 'stopped';
    this.#limit(member, undefined);
    if (end.kind === 'died') {
      member.ended = 'lost';
      const rest = `is processed by others, by the next run at the latest: at once, or where that can’t be told when its lease has run out, within ${this.#settings.leaseSeconds} s`;
      this.#log('error', `${name} ${end.how}; what it held ${rest}`);
    } else if (end.kind === 'not-started') {
      const advice = 'Give fewer --processes, or raise the limits of the host.';
      const message = `a worker process could not be started: ${end.why}`;
      this.fail(new MigrateError('unavailable', message, { advice }));
    } else if (end.kind === 'failed' && (isMeant || !isImpatience(end))) {
      this.fail(end.error);
    } else if (member.ended === 'stopped' && !isMeant) {
      this.#log('warn', `${name} was stopped from outside; the others go on`);
    }
  }

  #log(level: 'warn' | 'error', message: string): void {
    this.#run.report({ type: 'log', level, message });
  }

  #sum({ watch, maxBatches, maxRuntimeMs }: CarryOptions): Carried {
    const ends = this.#members.map(({ ended }) => ended);
    const lost = ends.filter((ended) => ended === 'lost').length;
    const { done, failed } = this.#done();
    // The first that holds: that one of them saw that nothing is left says more than that another had used up its share.
    const order = ['nothing-left', 'max-runtime', 'max-batches'] as const;
    const ended = this.#run.stop.aborted ? 'stopped' : order.find((one) => ends.includes(one));
    if (ended === undefined) {
      // Who watches would have waited for these leases: a service that ends with `busy` is not started again.
      const why = new MigrateError(
        watch ? 'unavailable' : 'busy',
        `all ${ends.length} workers were ended from outside`,
        {
          advice: `Run the same command again: it goes on where they stopped, with what they held, too. Where memory is short, give fewer --processes.`,
        },
      );
      const isLimited = watch || maxBatches !== undefined || maxRuntimeMs !== undefined;
      if (isLimited || lost < ends.length) throw why;
      return { completed: done - failed, failed, ended: 'nothing-left', lost, allDied: why };
    }
    return { completed: done - failed, failed, ended, lost };
  }
}

/** Who is told to stop waits for a server only seconds: that one worker was told so doesn't mean that the server is down. */
function isImpatience({ error, stopping }: { error: Error; stopping: boolean }): boolean {
  return stopping && isMigrateError(error) && error.kind === 'unavailable';
}
