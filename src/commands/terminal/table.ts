import { printable } from './printable.js';

/** Rows as lines with aligned columns, the first line being the head; columns of figures are aligned right. */
export function table(given: readonly (readonly string[])[]): string[] {
  const rows = given.map((row) => row.map(printable));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const right = widths.map((_, column) =>
    rows.slice(1).every((row) => /^[\d,.–-]*$/.test(row[column] ?? '')),
  );
  const cell = (text: string, column: number): string =>
    right[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);
  return rows.map((row) => row.map(cell).join('  ').trimEnd());
}
