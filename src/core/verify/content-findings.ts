import type { Finding, Findings } from './types.js';

/** Keeps what is found in one batch until it is its turn, or until it turns out not to count. */
export class HeldFindings implements Findings {
  readonly #same: { path: string; messages: number }[] = [];
  readonly #found: Finding[] = [];

  same(path: string, messages: number): void {
    this.#same.push({ path, messages });
  }

  add(finding: Finding): void {
    this.#found.push(finding);
  }

  release(to: Findings): void {
    for (const { path, messages } of this.#same) to.same(path, messages);
    for (const finding of this.#found) to.add(finding);
  }
}
