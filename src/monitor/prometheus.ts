import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { RunEvent } from '../core/run.js';
import { METRICS, samplesOf, type MetricName } from './metrics.js';

/** In seconds, as is the custom there. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** A run's metrics since it began, as Prometheus reads them. */
export class PrometheusMetrics {
  readonly #registry = new Registry();
  readonly #sums = new Map<MetricName, Counter<'code'>>();
  readonly #spreads = new Map<MetricName, Histogram>();
  readonly #levels = new Map<MetricName, Gauge>();

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    for (const [key, { kind, help }] of Object.entries(METRICS)) {
      const name = key as MetricName;
      if (kind === 'sum') {
        const labelNames = name === 'MessagesFailed' ? (['code'] as const) : [];
        this.#sums.set(
          name,
          new Counter({ name: `${named(name)}_total`, help, labelNames, registers }),
        );
      } else if (kind === 'spread') {
        this.#spreads.set(
          name,
          new Histogram({ name: `${named(name)}_seconds`, help, buckets: BUCKETS, registers }),
        );
      }
    }
  }

  readonly report = (event: RunEvent): void => {
    if (event.type !== 'measured') return;
    for (const { name, value, code } of samplesOf(event.measure)) {
      this.#sums.get(name)?.inc({ ...(code !== undefined && { code }) }, value);
      this.#spreads.get(name)?.observe(value / 1000);
    }
  };

  /** Not there before it is said for the first time: a gauge would begin at 0. */
  set(name: MetricName, value: number): void {
    const { help } = METRICS[name];
    const registers = [this.#registry];
    const level = this.#levels.get(name) ?? new Gauge({ name: named(name), help, registers });
    this.#levels.set(name, level);
    level.set(value);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** `MessagesCompleted` → `es_migrate_messages_completed`. */
function named(name: MetricName): string {
  return `es_migrate${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
}
