// Puts npm-shrinkwrap.json into the package that `npm pack` makes: whoever installs it gets the packages that were tested, each
// checked by its hash, and not whatever fits the ranges of package.json by then. `--remove` takes it away again.
import { copyFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('..', import.meta.url);
const shrinkwrap = fileURLToPath(new URL('npm-shrinkwrap.json', root));

if (process.argv.includes('--remove')) rmSync(shrinkwrap, { force: true });
else copyFileSync(fileURLToPath(new URL('package-lock.json', root)), shrinkwrap);
