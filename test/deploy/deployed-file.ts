import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A file of deploy/, with names of this test's own in it. */
export async function deployed(
  name: string,
  replacements: Readonly<Record<string, string>> = {},
): Promise<string> {
  const path = fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
  const text = await readFile(path, 'utf8');
  return Object.entries(replacements).reduce((rest, [from, to]) => {
    if (!rest.includes(from)) throw new Error(`${name} has no ${from}`);
    return rest.replaceAll(from, to);
  }, text);
}
