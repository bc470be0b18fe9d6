import type { Interval } from './types.js';

/** `2024-10-01T00:00:00.000Z (inclusive) to 2024-11-01T00:00:00.000Z (exclusive)`. */
export function describeInterval({ from, to }: Interval): string {
  return `${new Date(from).toISOString()} (inclusive) to ${new Date(to).toISOString()} (exclusive)`;
}
