import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Path of a file of deploy/, by its name there. */
export const pathOf = (name: string) =>
  fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));

/** Its text, with names of this test's own in it. */
export async function textOf(
  name: string,
  replacements: Readonly<Record<string, string>> = {},
): Promise<string> {
  const text = await readFile(pathOf(name), 'utf8');
  return Object.entries(replacements).reduce((rest, [from, to]) => {
    if (!rest.includes(from)) throw new Error(`${name} has no ${from}`);
    return rest.replaceAll(from, to);
  }, text);
}
