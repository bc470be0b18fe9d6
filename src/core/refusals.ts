import { isMigrateError, usage, type MigrateError } from './errors.js';

/** What a user has to change, collected, so that all of it is reported at once. */
export class Refusals {
  readonly #refused: MigrateError[] = [];

  /** Does something; a `usage` error of it is kept, any other is thrown. */
  async collect(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isMigrateError(error) || error.kind !== 'usage') throw error;
      this.#refused.push(error);
    }
  }

  /**
   * Each refusal as a line with its advice behind it; what is the same, once.
   *
   * @throws MigrateError `usage` where anything was refused
   */
  throwAll(): void {
    const [first, ...others] = this.#refused;
    if (!first) return;
    if (others.length === 0) throw first;
    const lines: string[] = [];
    for (const [i, { message, advice }] of this.#refused.entries()) {
      for (const line of message.split('\n')) if (!lines.includes(line)) lines.push(line);
      const isRepeated = this.#refused.slice(i + 1).some((one) => one.advice === advice);
      if (advice !== undefined && !isRepeated) lines.push(advice);
    }
    const last = this.#refused.at(-1)?.advice;
    throw usage(last === undefined ? lines : lines.slice(0, -1), last);
  }
}
