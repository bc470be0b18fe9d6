/** `1234567` → `1,234,567`. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** `1 message`, `2,000 messages`; words in `-ch` take `es`. */
export function counted(value: number, noun: string): string {
  return `${grouped(value)} ${noun}${value === 1 ? '' : noun.endsWith('ch') ? 'es' : 's'}`;
}

/** Behind a number of failed messages, how many of them are accepted: ` (3 accepted)`; nothing for 0. */
export function acceptedOf(accepted: number): string {
  return accepted > 0 ? ` (${grouped(accepted)} accepted)` : '';
}

/** `0.0625` → `6 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Seconds as people read them: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`. */
export function spoken(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** Most names written out: a pattern may stand for hundreds of indices. */
const MOST_NAMES = 5;

/** Names for one line of text. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).join(', ');
  const more = names.length - MOST_NAMES;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
