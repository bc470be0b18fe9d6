import { median, ratios } from './statistics.js';

/** What a figure should be at least or at most: ours itself, or ours divided by the peer's. */
export interface Goal {
  readonly of: 'ratio' | 'ours';
  readonly bound: 'at least' | 'at most';
  readonly value: number;
}

/** One line of the table: our figures, round by round, beside a peer's, a ceiling's, or our own under other conditions. */
export interface Finding {
  readonly what: string;
  /** Such as `messages/s`. */
  readonly unit: string;
  readonly ours: readonly number[];
  /** Measured in the same rounds. */
  readonly peer?: { readonly name: string; readonly values: readonly number[] };
  readonly goal?: Goal;
}

/** What a benchmark found. */
export interface Outcome {
  readonly findings: readonly Finding[];
  /** What has to be known to read the figures, one sentence each. */
  readonly notes: readonly string[];
  /** What is drawn as lines. */
  readonly series?: readonly Series[];
}

/** A line of a plot. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export function ratiosOf({ ours, peer }: Finding): readonly number[] {
  return peer ? ratios(ours, peer.values) : [];
}

/**
 * How far the median is from its goal, 1 where it just keeps to it, more where it is better; undefined where there is no
 * goal.
 */
export function reach(finding: Finding): number | undefined {
  const { goal } = finding;
  if (!goal) return undefined;
  const value = median(goal.of === 'ratio' ? ratiosOf(finding) : finding.ours);
  return goal.bound === 'at least' ? value / goal.value : goal.value / value;
}

/** Whether the median keeps to the goal; undefined where there is none. */
export function isMet(finding: Finding): boolean | undefined {
  const reached = reach(finding);
  return reached === undefined ? undefined : reached >= 1;
}
