import { Temporal } from 'temporal-polyfill';
import { usage } from '../errors.js';

export interface BoundOptions {
  /** IANA name (`Europe/Berlin`), `UTC` or an offset (`+02:00`), for what names no zone itself. */
  readonly timezone: string;
  /** Which end it is: a bare date at the `to` edge includes that whole day. */
  readonly edge: 'from' | 'to';
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2})?$/i;
const FORM = 'give a date such as 2024-10-01 or an instant such as 2024-10-01T12:00:00Z';

/**
 * Reads one end of a half-open interval.
 *
 * - `2024-10-01`: at `from` the start of that day, at `to` the start of the next one, in `timezone`.
 * - `2024-10-01T12:00:00Z`, `…+02:00`: that instant.
 * - `2024-10-01T12:00`: that local time in `timezone`. Where a clock change skips it, it is moved forward by the length
 *   of the gap; where a clock change repeats it, the first of the two is meant. (Temporal's `compatible`, the rule of
 *   RFC 5545; temporal-polyfill is used because Luxon leaves the repeated hour undefined.)
 *
 * Fractions finer than a millisecond are rounded up: Elasticsearch is asked in milliseconds, and `from <= t` and
 * `t < to` then hold for the same whole milliseconds.
 *
 * @returns milliseconds since the epoch, UTC
 * @throws MigrateError `usage` where it is neither, names a day or time that doesn't exist or that the tracking
 *   tables can't hold, or the zone is unknown
 */
export function resolveBound(text: string, options: BoundOptions): number {
  const bound = readBound(text, options);
  // What MySQL's DATETIME can hold.
  if (bound < EARLIEST || bound > LATEST) {
    throw usage(`${quoted(text)} is out of range; ${FORM}, from the year 1000 to the end of 9998`);
  }
  return bound;
}

const EARLIEST = Date.UTC(1000, 0, 1);
const LATEST = Date.UTC(9999, 0, 1);

function readBound(text: string, { timezone, edge }: BoundOptions): number {
  const zone = checkedZone(timezone);
  if (DATE.test(text)) {
    const day = calendar(text, () => Temporal.PlainDate.from(text, { overflow: 'reject' }));
    const first = edge === 'from' ? day : day.add({ days: 1 });
    return first.toZonedDateTime(zone).epochMilliseconds;
  }
  const [, date, time, offset] = DATE_TIME.exec(text) ?? [];
  if (date === undefined || time === undefined)
    throw usage(`${quoted(text)} is not a date or an instant; ${FORM}`);
  if (/:60/.test(time))
    throw usage(`${quoted(text)} doesn't exist: a minute has the seconds 00 to 59`);
  if (offset !== undefined) {
    const canonical = `${date}T${time}${offset.toUpperCase()}`;
    return roundedUp(calendar(text, () => Temporal.Instant.from(canonical)));
  }
  const local = calendar(text, () =>
    Temporal.PlainDateTime.from(`${date}T${time}`, { overflow: 'reject' }),
  );
  return roundedUp(local.toZonedDateTime(zone, { disambiguation: 'compatible' }).toInstant());
}

function checkedZone(timezone: string): string {
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timezone).timeZoneId;
  } catch {
    throw usage(
      `${quoted(timezone)} is not a time zone; give a name such as Europe/Berlin, UTC or +02:00`,
    );
  }
}

function calendar<T>(text: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw usage(
      `${quoted(text)} doesn't exist in the calendar (${reason}); ${FORM}`,
      undefined,
      error,
    );
  }
}

function roundedUp(instant: Temporal.Instant): number {
  return instant.round({ smallestUnit: 'millisecond', roundingMode: 'ceil' }).epochMilliseconds;
}

const quoted = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);
