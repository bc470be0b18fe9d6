import type { RunEvent } from '../core/run.js';
import { METRICS, samplesOf, type MetricName, type Sample } from './metrics.js';

/** A metric since it was last taken: one number, or how often which value came. */
export interface Reading {
  readonly name: MetricName;
  readonly values: ReadonlyMap<number, number>;
}

/** Digits to which single values are kept: a spread has few of them then, however many requests there were. */
const DIGITS = 2;

/** Sums up what a run measures, until somebody takes it. */
export class Meter {
  readonly #now: () => number;
  readonly #spreads = new Map<MetricName, Map<number, number>>();
  readonly #sums = new Map<MetricName, number>();
  readonly #levels = new Map<MetricName, number>();
  #takenAt: number;
  #takenBefore: number;

  /** @param now milliseconds of a steady clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#takenAt = now();
    this.#takenBefore = this.#takenAt;
  }

  readonly report = (event: RunEvent): void => {
    if (event.type === 'measured') for (const sample of samplesOf(event.measure)) this.#add(sample);
  };

  /** Begins to count the seconds of a rate anew, where a process stood still meanwhile. */
  begin(): void {
    this.#takenAt = this.#now();
  }

  /** Says what is so at the moment. */
  set(name: MetricName, value: number): void {
    this.#levels.set(name, value);
  }

  /** What came together since the last time; what did not happen is left out. */
  take(): Reading[] {
    const seconds = Math.max(1, this.#now() - this.#takenAt) / 1000;
    this.#takenBefore = this.#takenAt;
    this.#takenAt = this.#now();
    const completed = this.#sums.get('MessagesCompleted');
    if (completed !== undefined) this.set('MessagesPerSecond', completed / seconds);
    const single = [...this.#sums, ...this.#levels].map(([name, value]) => ({
      ...{ name, values: new Map([[value, 1]]) },
    }));
    const spread = [...this.#spreads].map(([name, values]) => ({ name, values }));
    for (const kept of [this.#sums, this.#levels, this.#spreads]) kept.clear();
    return [...single, ...spread];
  }

  /** Takes back what could not be delivered; levels are past by now. */
  putBack(readings: readonly Reading[]): void {
    this.#takenAt = this.#takenBefore;
    for (const { name, values } of readings) {
      for (const [value, times] of values) {
        if (METRICS[name].kind !== 'level') this.#add({ name, value }, times);
      }
    }
  }

  #add({ name, value }: Sample, times = 1): void {
    if (METRICS[name].kind === 'sum') {
      this.#sums.set(name, (this.#sums.get(name) ?? 0) + value * times);
      return;
    }
    const values = this.#spreads.get(name) ?? new Map<number, number>();
    this.#spreads.set(name, values);
    const rounded = Number(value.toPrecision(DIGITS));
    values.set(rounded, (values.get(rounded) ?? 0) + times);
  }
}
