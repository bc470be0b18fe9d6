/** Most names written out: a pattern may stand for hundreds of indices. */
const MOST_NAMES = 5;

/** Names for one line of text. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).join(', ');
  const more = names.length - MOST_NAMES;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
