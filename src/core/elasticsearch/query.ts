import type { Interval } from '../extract/types.js';

/** Elasticsearch's `index.max_result_window`: most hits of one search. */
export const MAX_HITS = 10_000;

/**
 * Messages of a half-open interval, and of the filter. Bounds are sent as `epoch_millis` with that
 * format, since a field's own `format` refuses ISO bounds.
 */
export function rangeQuery(
  dateField: string,
  { from, to }: Interval,
  filter: string | undefined,
): string {
  const range = `{"range":{${JSON.stringify(dateField)}:{"gte":${from},"lt":${to},"format":"epoch_millis"}}}`;
  return `{"bool":{"filter":[${range}${filter === undefined ? '' : `,${filter}`}]}}`;
}

/** A JSON object from members that are JSON text already; undefined ones are left out. */
export function jsonObject(members: Readonly<Record<string, string | undefined>>): string {
  const parts = Object.entries(members)
    .filter(([, json]) => json !== undefined)
    .map(([key, json]) => `${JSON.stringify(key)}:${json ?? ''}`);
  return `{${parts.join(',')}}`;
}

/** Index names and patterns as a path segment; commas separate names and stay. */
export function indexPath(index: string): string {
  return index.split(',').map(encodeURIComponent).join(',');
}
