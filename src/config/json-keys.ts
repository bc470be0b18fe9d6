/** Levels of a query; Elasticsearch itself takes no more than 30 of clauses in each other. */
export const MOST_LEVELS = 200;

/**
 * The first name that an object of this JSON text has twice: Elasticsearch refuses it, and other parsers would take the last of
 * them. Undefined where there is none.
 *
 * @param text JSON, which is not checked again
 */
export function repeatedKey(text: string): { readonly key: string } | 'too-deep' | undefined {
  /** Names of the objects that are open; undefined stands for an array. */
  const open: (Set<string> | undefined)[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(text); found; found = TOKEN.exec(text)) {
    const [token, name] = found;
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (name !== undefined) {
      const key = JSON.parse(name) as string;
      const names = open.at(-1);
      if (names?.has(key)) return { key };
      names?.add(key);
    }
    if (open.length > MOST_LEVELS) return 'too-deep';
  }
  return undefined;
}

/** A bracket, or a string; one before a colon is a name. */
const TOKEN = /[{}[\]]|("(?:[^"\\]|\\.)*")(?=\s*:)|"(?:[^"\\]|\\.)*"/g;
