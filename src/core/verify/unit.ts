import { lineOf, sameLine } from './diff-file.js';
import type { Finding, FindingKind, Findings } from './types.js';

/** Kinds that tell of messages which were looked at. */
const OF_MESSAGES: ReadonlySet<FindingKind> = new Set([
  'missing',
  'mismatched',
  'unreadable',
  'changed',
  'deleted',
]);

/** What one step of a stage found. It counts as a whole or not at all: an interrupted one is done again. */
export class Unit implements Findings {
  readonly found: Finding[] = [];
  readonly lines: string[] = [];
  /** Numbers of the batches whose objects were met, one for each object. */
  readonly met: number[] = [];
  /** What is added to the verification's notes. */
  readonly notes: [string, number][] = [];
  checked = 0;
  stored = 0;
  readonly #isLevel: boolean;
  readonly #hasDiff: boolean;

  /**
   * `isLevel`: what is looked at is what the level asked for is about, so it is counted and, where it is as it should be,
   * told; a stage before it tells differences only.
   */
  constructor({ isLevel, hasDiff }: { isLevel: boolean; hasDiff: boolean }) {
    this.#isLevel = isLevel;
    this.#hasDiff = hasDiff;
  }

  same(path: string, messages: number): void {
    if (!this.#isLevel) return;
    this.checked += messages;
    if (this.#hasDiff) this.lines.push(sameLine(path));
  }

  add(finding: Finding): void {
    this.found.push(finding);
    if (this.#hasDiff) this.lines.push(lineOf(finding));
    if (this.#isLevel && OF_MESSAGES.has(finding.kind)) this.checked += finding.count ?? 1;
  }
}
