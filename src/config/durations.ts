const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** How a duration is written, for messages. */
export const DURATION_FORM = 'a duration such as 500ms, 90s, 15m, 2h or 1d';

/**
 * Reads a duration: a number directly followed by its unit (`ms`, `s`, `m`, `h`, `d`), or a bare `0`.
 *
 * @returns whole milliseconds, or undefined where it is not a duration
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return undefined;
  const milliseconds = Math.round(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]);
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined;
}
