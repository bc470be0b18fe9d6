import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder with package.json, found from this file upwards: the same whether this runs from its
 * TypeScript source or compiled from dist. What isn't TypeScript (pom.xml, *.java, guard.sh) lies
 * below it in sandbox/.
 */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${import.meta.url}`);
    folder = parent;
  }
  return folder;
}

/** Full path of a file of the sandbox that isn't compiled, for example `elasticsearch/pom.xml`. */
export function resource(...parts: string[]): string {
  return join(packageRoot(), 'sandbox', ...parts);
}
