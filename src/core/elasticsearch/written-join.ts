import type { JoinSettings, RelatedSettings } from '../settings.js';

/**
 * A related entry as a user would write it, with another join: a line to be pasted into the configuration, where names need
 * quotes only in JSON.
 */
export function writtenEntry(
  { name, index, sort, optional }: RelatedSettings,
  join: readonly JoinSettings[],
): string {
  const where =
    typeof index === 'string'
      ? index
      : `{ ${index.map((pair) => `'${pair.messages}': '${pair.related}'`).join(', ')} }`;
  const parts = [
    `index: ${where}`,
    `key: ${written(join.map(({ key }) => key))}`,
    `on: ${written(join.map(({ on }) => on))}`,
    ...(sort === undefined ? [] : [`sort: ${sort}`]),
    ...(optional ? ['optional: true'] : []),
  ];
  return `source.related.${name}: { ${parts.join(', ')} }`;
}

function written(names: readonly string[]): string {
  return names.length === 1 ? (names[0] ?? '') : `[${names.join(', ')}]`;
}
