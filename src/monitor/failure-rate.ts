import type { Measure, RunEvent } from '../core/run.js';

/** Failures of the last so many milliseconds make the rate. */
const WINDOW_MS = 10 * 60_000;
/** Batches of so many milliseconds are counted together. */
const TOGETHER_MS = 10_000;
/** Of fewer messages a rate says little, until the run has ended. */
const LEAST_MESSAGES = 100;

export interface FailureRate {
  /** Messages completed and failed within the last minutes. */
  readonly messages: number;
  readonly failed: number;
  /** Above 0, up to 1. */
  readonly share: number;
  /** Error codes, the most frequent first. */
  readonly codes: readonly (readonly [code: string, messages: number])[];
}

export interface FailureRateOptions {
  /** Above it an episode begins; at half of it it ends. 0 to 1. */
  readonly threshold: number;
  /** Milliseconds of a steady clock. */
  readonly now: () => number;
  /** An episode has begun. */
  readonly onBegin: (rate: FailureRate) => void;
  /** It has ended. */
  readonly onEnd: () => void;
}

/** Batches of a few seconds. */
interface Moment {
  readonly at: number;
  messages: number;
  readonly failed: Map<string, number>;
}

/** Watches how many messages fail. What fails for hours is one episode, not an alert for each batch. */
export class FailureRateWatch {
  readonly #options: FailureRateOptions;
  #moments: Moment[] = [];
  #isEpisode = false;

  constructor(options: FailureRateOptions) {
    this.#options = options;
  }

  readonly report = (event: RunEvent): void => {
    const outcome = event.type === 'measured' ? outcomeOf(event.measure) : undefined;
    if (!outcome) return;
    const { completed, failed } = outcome;
    this.#forget();
    // After a long silence it is another one.
    if (this.#moments.length === 0) this.#end();
    const moment = this.#moment();
    moment.messages += completed + sum(Object.values(failed));
    for (const [code, count] of Object.entries(failed))
      moment.failed.set(code, (moment.failed.get(code) ?? 0) + count);
    this.#judge(LEAST_MESSAGES);
  };

  /** The run has ended: also a short one is judged. */
  close(): void {
    this.#forget();
    this.#judge(1);
  }

  get isEpisode(): boolean {
    return this.#isEpisode;
  }

  #judge(least: number): void {
    const rate = this.#rate();
    if (rate.messages < least) return;
    const { threshold, onBegin } = this.#options;
    if (!this.#isEpisode && rate.share > threshold) {
      this.#isEpisode = true;
      onBegin(rate);
    } else if (rate.share <= threshold / 2) this.#end();
  }

  #end(): void {
    if (!this.#isEpisode) return;
    this.#isEpisode = false;
    this.#options.onEnd();
  }

  #moment(): Moment {
    const at = this.#options.now();
    const last = this.#moments.at(-1);
    if (last && at - last.at < TOGETHER_MS) return last;
    const moment = { at, messages: 0, failed: new Map<string, number>() };
    this.#moments.push(moment);
    return moment;
  }

  #forget(): void {
    const since = this.#options.now() - WINDOW_MS;
    this.#moments = this.#moments.filter(({ at }) => at >= since);
  }

  #rate(): FailureRate {
    const byCode = new Map<string, number>();
    for (const { failed } of this.#moments)
      for (const [code, count] of failed) byCode.set(code, (byCode.get(code) ?? 0) + count);
    const messages = sum(this.#moments.map((moment) => moment.messages));
    const failed = sum([...byCode.values()]);
    const codes = [...byCode].sort(([, a], [, b]) => b - a);
    return { messages, failed, share: messages === 0 ? 0 : failed / messages, codes };
  }
}

function outcomeOf(measure: Measure): Pick<Batch, 'completed' | 'failed'> | undefined {
  if (measure.kind === 'batch') return measure;
  if (measure.kind !== 'given-up') return undefined;
  return { completed: 0, failed: { [measure.code]: measure.messages } };
}

type Batch = Extract<Measure, { kind: 'batch' }>;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
