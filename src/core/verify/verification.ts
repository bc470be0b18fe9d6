import type { Connections } from '../connect.js';
import type { Run } from '../run.js';
import { reached } from '../steps.js';
import type { Lease } from '../tracking/lease.js';
import { storeCheckpoint, type StoredVerification } from '../tracking/verify-runs.js';
import type { DiffFile } from './diff-file.js';
import { noFindings } from './findings.js';
import type { Finding, FindingCounts, VerifyLevel, VerifyOptions } from './types.js';
import { Unit } from './unit.js';

export const STAGES = [
  'windows',
  'tracking',
  'listing',
  'missing',
  'unfinished',
  'related',
  'content',
  'repair',
] as const;

/** A stage's cursor when it has nothing left to do. */
export const OVER = 'over';

export type Stage = (typeof STAGES)[number];

/** Which stages look at what a level is about. */
const STAGES_OF_LEVEL: Readonly<Record<VerifyLevel, readonly Stage[]>> = {
  counts: ['windows', 'tracking'],
  objects: ['listing', 'missing'],
  content: ['content'],
};

/** A checkpoint costs a transaction with up to a quarter of a megabyte in it. */
const CHECKPOINT_EVERY_MS = 15_000;
const CHECKPOINT_EVERY_STEPS = 20;
/** Findings kept in memory at most, about. */
const MOST_FINDINGS = 5_000;
/** Findings of one kind that are shown. */
const EXAMPLES = 5;
/** Objects met are counted by batch_id modulo this: a quarter of a megabyte however many there are. */
export const BUCKETS = 65_536;

/** All that a verification knows of itself but what it found: stored with every checkpoint. */
interface Position {
  stage: Stage;
  /** Where the stage stands: its own business. */
  cursor: unknown;
  /** Checkpoints stored so far. */
  checkpoints: number;
  found: FindingCounts;
  checked: number;
  sums: Sums;
  /** Stages' own remarks for later ones. */
  notes: Record<string, number>;
  examples: StoredExample[];
  diff: { path: string; bytes: number } | undefined;
}

interface StoredExample extends Omit<Finding, 'message'> {
  readonly messageId?: string;
  readonly indexId?: number;
}

export interface Sums {
  sourceNow: number;
  sourceThen: number;
  stored: number;
  openWindows: number;
}

/**
 * Where a verification stands. Stages hand in what they found step by step; every so often it is stored, with its
 * findings, in one transaction under the verification's lease, and from there it goes on after whatever ended it.
 */
export class Verification {
  readonly verifyId: number;
  readonly options: VerifyOptions;
  /** Objects met so far, by batch_id modulo BUCKETS. */
  readonly met: Uint32Array;
  readonly #run: Run;
  readonly #on: Connections;
  readonly #lease: Lease;
  readonly #position: Position;
  #diff: DiffFile | undefined;
  #findings: Finding[] = [];
  #steps = 0;
  /** Whether `met` is other than it was stored: it is a quarter of a megabyte, and most stages leave it alone. */
  #hasMet = false;
  #storedAt: number;

  constructor(
    { run, on, lease }: { run: Run; on: Connections; lease: Lease },
    options: VerifyOptions,
    at: StoredVerification,
  ) {
    this.#run = run;
    this.#on = on;
    this.#lease = lease;
    this.verifyId = at.verifyId;
    this.options = options;
    this.#position = { ...begin(), ...(JSON.parse(at.position) as Partial<Position>) };
    this.met = new Uint32Array(BUCKETS);
    if (at.met) Buffer.from(this.met.buffer).set(at.met);
    this.#storedAt = run.clock.now();
  }

  get stage(): Stage {
    return this.#position.stage;
  }

  get found(): Readonly<FindingCounts> {
    return this.#position.found;
  }

  get checked(): number {
    return this.#position.checked;
  }

  get sums(): Sums {
    return this.#position.sums;
  }

  get notes(): Record<string, number> {
    return this.#position.notes;
  }

  get examples(): Finding[] {
    return this.#position.examples.map(({ messageId, indexId, ...rest }) => ({
      ...rest,
      ...(messageId !== undefined &&
        indexId !== undefined && { message: { id: Buffer.from(messageId, 'hex'), indexId } }),
    }));
  }

  /** The diff file as the last checkpoint knew it. */
  get diff(): { path: string; bytes: number } | undefined {
    return this.#position.diff;
  }

  writesTo(diff: DiffFile | undefined): void {
    this.#diff = diff;
    this.#position.diff = diff && { path: diff.path, bytes: this.#position.diff?.bytes ?? 0 };
  }

  /** Where the stage stood, as it said itself; undefined where it has not begun. */
  get cursor(): unknown {
    return this.#position.cursor;
  }

  /** Whether the stage has nothing left to do. */
  get isOver(): boolean {
    return this.#position.cursor === OVER;
  }

  unit(): Unit {
    const isLevel = STAGES_OF_LEVEL[this.options.level].includes(this.stage);
    return new Unit({ isLevel, hasDiff: this.#diff !== undefined });
  }

  /** Takes what a step of the stage found, which then stands at `cursor`, and stores it if it is time to. */
  async done(unit: Unit, cursor: unknown): Promise<void> {
    const position = this.#position;
    position.cursor = cursor;
    position.checked += unit.checked;
    position.sums.stored += unit.stored;
    for (const [note, count] of unit.notes)
      position.notes[note] = (position.notes[note] ?? 0) + count;
    this.#hasMet ||= unit.met.length > 0;
    for (const batchId of unit.met) {
      const bucket = batchId % BUCKETS;
      this.met[bucket] = (this.met[bucket] ?? 0) + 1;
    }
    for (const finding of unit.found) this.#take(finding);
    this.#diff?.write(unit.lines);
    await this.#diff?.drain();
    this.#steps += 1;
    const isDue =
      this.#steps >= CHECKPOINT_EVERY_STEPS ||
      this.#findings.length >= MOST_FINDINGS ||
      this.#run.clock.now() - this.#storedAt >= CHECKPOINT_EVERY_MS;
    if (isDue) await this.store();
  }

  /** Ends a stage; what it found is stored, so that the next one can look it up. */
  async next(stage: Stage): Promise<void> {
    this.#position.stage = stage;
    this.#position.cursor = undefined;
    await this.store();
  }

  /**
   * Stores where it stands.
   * @throws LeaseLost
   */
  async store(): Promise<void> {
    const position = this.#position;
    if (this.#diff) position.diff = { path: this.#diff.path, bytes: await this.#diff.flush() };
    position.checkpoints += 1;
    const { checkpoints: number, stage } = position;
    await storeCheckpoint(
      this.#on.database,
      this.verifyId,
      this.#lease,
      {
        number,
        stage,
        position: JSON.stringify(position),
        met: this.#hasMet ? Buffer.from(this.met.buffer) : undefined,
      },
      this.#findings,
    );
    this.#findings = [];
    this.#hasMet = false;
    this.#steps = 0;
    this.#storedAt = this.#run.clock.now();
    reached('verify-checkpoint');
  }

  #take(finding: Finding): void {
    const { found, examples } = this.#position;
    found[finding.kind] += finding.count ?? 1;
    this.#findings.push(finding);
    if (examples.filter(({ kind }) => kind === finding.kind).length < EXAMPLES) {
      const { message, ...rest } = finding;
      const named = message && { messageId: message.id.toString('hex'), indexId: message.indexId };
      examples.push({ ...rest, ...named });
    }
  }
}

function begin(): Position {
  return {
    stage: 'windows',
    cursor: undefined,
    checkpoints: 0,
    found: noFindings(),
    checked: 0,
    sums: { sourceNow: 0, sourceThen: 0, stored: 0, openWindows: 0 },
    notes: {},
    examples: [],
    diff: undefined,
  };
}
