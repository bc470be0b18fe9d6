/** The UTC date of an instant, as MySQL writes it: `2024-10-01`. */
export function utcDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
