import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import { anySignal } from '../any-signal.js';
import type { Connections } from '../connect.js';
import { joinsOf } from '../joins.js';
import { openWorkshop, prepareStaging } from '../process/workshop.js';
import type { Run } from '../run.js';
import {
  completedBatches,
  completedMessages,
  isUnchanged,
  type CompletedBatch,
} from '../tracking/completed.js';
import type { JobSet } from '../tracking/scope.js';
import { compareBatch, type ContentContext } from './content-batch.js';
import { HeldFindings } from './content-findings.js';
import { reportedIn } from './content-reported.js';
import type { Findings } from './types.js';

export interface ContentOptions {
  /** The verification this belongs to: what it has reported already is not reported again. */
  readonly verifyId: number;
  readonly findings: Findings;
  /** Where an earlier call stopped: batches up to this number are done; 0 for none. */
  readonly afterBatch: number;
  /** Share of the batches to compare, above 0 to 1; at least one batch. */
  readonly sample: number;
  /** Which ones: the same seed chooses the same batches. */
  readonly seed: number;
  readonly scope: JobSet;
  /** Told how many messages were just done. */
  readonly progress: (messages: number) => void;
}

/** Batches whose numbers are asked for at once. */
const BATCHES_A_STEP = 1_000;
/** Objects being read at once, per process. */
const READS = 32;

/**
 * Reads completed messages again, from Elasticsearch and from the target, and compares them byte for byte; as many batches
 * at once, as much memory and as many requests a second as `process` would. Findings come in the order of the batches.
 * Ends early, without an error, where the run is to stop.
 *
 * @param checkpoint told after each compared batch: all up to this number are done, and their findings were given
 */
export async function verifyContent(
  run: Run,
  on: Connections,
  options: ContentOptions,
  checkpoint: (afterBatch: number) => Promise<void>,
): Promise<void> {
  const { concurrency } = on.settings;
  await prepareStaging(run);
  const workshop = await openWorkshop(run, on, concurrency);
  const failed = new AbortController();
  const signal = anySignal(run.stop, failed.signal);
  const { target, database, policy } = on;
  const joins = joinsOf(on.settings.source);
  const shared = { target, database, policy, workshop, joins, signal, reads: pLimit(READS) };
  const inOrder = new InOrder<Compared>(concurrency, async ({ batch, findings }) => {
    findings.release(options.findings);
    options.progress(batch.processed);
    await checkpoint(batch.batchId);
  });
  try {
    for await (const batch of chosenBatches(on, options, run.stop)) {
      await inOrder.begin(() => compared(run, shared, batch, options.verifyId));
    }
    await inOrder.end();
  } catch (error) {
    if (!run.stop.aborted) throw error;
  } finally {
    failed.abort();
    await inOrder.settled();
    await workshop.close();
  }
}

interface Compared {
  readonly batch: CompletedBatch;
  readonly findings: HeldFindings;
}

/** One batch compared; nothing is found in one that others work on meanwhile. */
async function compared(
  run: Run,
  context: ContentContext,
  batch: CompletedBatch,
  verifyId: number,
): Promise<Compared> {
  context.signal.throwIfAborted();
  const findings = new HeldFindings();
  const reported = await reportedIn(context.database, verifyId, batch.batchId);
  const messages = await completedMessages(context.database, batch.batchId);
  if (!reported.whole) await compareBatch(context, { ...batch, messages, reported }, findings);
  if (await isUnchanged(context.database, batch)) return { batch, findings };
  const message = `batch ${batch.batchId} was processed again meanwhile, and is passed over`;
  run.report({ type: 'log', level: 'info', message });
  return { batch, findings: new HeldFindings() };
}

/** Several pieces of work at once, whose results are taken in the order in which they were begun. */
class InOrder<T> {
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #most: number;
  readonly #take: (result: T) => Promise<void>;
  readonly #begun: Promise<T>[] = [];

  constructor(concurrency: number, take: (result: T) => Promise<void>) {
    this.#limit = pLimit(concurrency);
    // As many again may be done and wait for a slow one before them.
    this.#most = 2 * concurrency;
    this.#take = take;
  }

  async begin(work: () => Promise<T>): Promise<void> {
    const result = this.#limit(work);
    // Awaited later; until then a failure must not count as unhandled.
    result.catch(() => undefined);
    this.#begun.push(result);
    if (this.#begun.length >= this.#most) await this.#takeFirst();
  }

  async end(): Promise<void> {
    while (this.#begun.length > 0) await this.#takeFirst();
  }

  /** Resolves when nothing is going on any more, whatever became of it. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#begun);
  }

  async #takeFirst(): Promise<void> {
    const first = this.#begun[0];
    if (first) await this.#take(await first);
    void this.#begun.shift();
  }
}

/** The batches of the sample in the order of their numbers; the one nearest to it where there is none in it. */
async function* chosenBatches(
  { database }: Connections,
  { scope, afterBatch, sample, seed }: ContentOptions,
  stop: AbortSignal,
): AsyncGenerator<CompletedBatch> {
  let nearest: { batch: CompletedBatch; at: number } | undefined;
  // Only chosen batches move `afterBatch`.
  let chosen = afterBatch > 0;
  for (let after = afterBatch; ;) {
    const batches = await completedBatches(database, scope, { after, limit: BATCHES_A_STEP });
    for (const batch of batches) {
      if (stop.aborted) return;
      const at = drawn(seed, batch.batchId);
      if (at < sample) {
        chosen = true;
        yield batch;
      } else if (!chosen && at < (nearest?.at ?? 1)) nearest = { batch, at };
    }
    const last = batches.at(-1);
    if (!last) break;
    after = last.batchId;
  }
  if (!chosen && nearest) yield nearest.batch;
}

/** A number for each batch, 0 or more and below 1, evenly spread. */
function drawn(seed: number, batchId: number): number {
  return createHash('sha256').update(`${seed}:${batchId}`).digest().readUInt32BE(0) / 2 ** 32;
}
