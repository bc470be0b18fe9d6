/**
 * Whether a document has a value at a field's path, as it was sent: whether or not it is in the index. Dots of the path stand for
 * objects or for dots in a name; the last name may be that of a multi-field, such as `id.keyword`.
 *
 * @param source JSON text
 */
export function hasValueAt(source: Buffer, field: string): boolean {
  const steps = field.split('.');
  // Nearly every document that is asked about lacks the field, and need not be parsed. (A name may be escaped, but is not, as a rule.)
  if (steps[0] !== undefined && !source.includes(JSON.stringify(steps[0]).slice(0, -1)))
    return false;
  return hasValue(JSON.parse(source.toString('utf8')), steps, 0);
}

function hasValue(value: unknown, steps: readonly string[], at: number): boolean {
  if (Array.isArray(value)) return elementsOf(value).some((one) => hasValue(one, steps, at));
  const left = steps.length - at;
  if (typeof value !== 'object') return at > 0 && left <= 1;
  if (value === null) return false;
  return steps.slice(at).some((_, i) => {
    const name = steps.slice(at, at + i + 1).join('.');
    if (!Object.hasOwn(value, name)) return false;
    return hasValue((value as Record<string, unknown>)[name], steps, at + i + 1);
  });
}

/** Of an array and those in it, at any depth: a loop, since arrays a million deep leave no room for calls. */
function elementsOf(array: readonly unknown[]): unknown[] {
  const elements: unknown[] = [];
  const waiting: (readonly unknown[])[] = [array];
  for (let next = waiting.pop(); next; next = waiting.pop())
    for (const one of next) {
      if (Array.isArray(one)) waiting.push(one);
      else elements.push(one);
    }
  return elements;
}
