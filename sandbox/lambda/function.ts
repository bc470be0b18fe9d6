import { LambdaContainer, type LambdaSettings, type Outcome } from './container.js';
import type { LambdaRuntime } from './prepare.js';

/** Told of each invocation, as it begins. */
type Began = (container: LambdaContainer) => void;

/** A function and its containers: as many as there are invocations at once, each kept for the next. */
export class LambdaFunction {
  readonly #runtime: LambdaRuntime;
  readonly #settings: LambdaSettings;
  readonly #idle: LambdaContainer[] = [];
  readonly #busy = new Set<LambdaContainer>();
  readonly #gone: LambdaContainer[] = [];

  constructor(runtime: LambdaRuntime, settings: LambdaSettings) {
    this.#runtime = runtime;
    this.#settings = settings;
  }

  /** Those that work on something. */
  get busy(): readonly LambdaContainer[] {
    return [...this.#busy];
  }

  /** All there ever were. */
  get containers(): readonly LambdaContainer[] {
    return [...this.#gone, ...this.#idle, ...this.#busy];
  }

  async invoke(event: unknown, began: Began = () => undefined): Promise<Outcome> {
    const container = await this.#warm();
    this.#busy.add(container);
    began(container);
    try {
      return await container.invoke(event);
    } finally {
      this.#busy.delete(container);
      (container.isAlive ? this.#idle : this.#gone).push(container);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.containers.map((container) => container.stop()));
  }

  /** The one that was used last: Lambda lets the others grow cold. */
  async #warm(): Promise<LambdaContainer> {
    for (;;) {
      const container = this.#idle.pop();
      if (!container) return LambdaContainer.start(this.#runtime, this.#settings);
      if (container.isAlive) return container;
      await container.stop();
      this.#gone.push(container);
    }
  }
}
