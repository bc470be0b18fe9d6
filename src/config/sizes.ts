const UNITS = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
} as const;

/** How a size is written, for messages. */
export const SIZE_FORM = 'a size such as 256MiB, 1GiB or 1048576 (bytes); 0 = unlimited';

/**
 * Reads a size: whole bytes, or a number with `B`, `KiB`, `MiB`, `GiB` (powers of 1024) or `KB`, `MB`, `GB`
 * (powers of 1000).
 *
 * @returns whole bytes, or undefined where it is not a size
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(B|KB|MB|GB|KiB|MiB|GiB)?$/.exec(text.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * UNITS[(match[2] ?? 'B') as keyof typeof UNITS];
  const whole = match[2] === undefined || match[2] === 'B' ? bytes : Math.round(bytes);
  return Number.isSafeInteger(whole) ? whole : undefined;
}
