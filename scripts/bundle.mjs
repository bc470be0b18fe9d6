// Makes dist/lambda: each function as one file, and beside them what they read at run time. `--config FILE` puts the
// operator's configuration there, too, `--with FILE` what that names (a certificate authority); `--into FOLDER` makes it
// elsewhere. Zipped, the folder is what Lambda takes.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { leaveOut } from './left-out.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const FUNCTIONS = ['extract', 'process', 'retry'];

/** CommonJS packages ask for Node's own modules by it. */
const BANNER =
  "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);";

const { config, into, with: others } = readArguments();
checkNames(others);
const name = config === undefined ? undefined : nameOf(config);
const folder = emptyFolder(into);
for (const one of FUNCTIONS) await bundle(one);
cpSync(join(root, 'migrations'), join(folder, 'migrations'), { recursive: true });
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const own = { name: 'es-migrate-lambda', version, private: true, type: 'module' };
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(own, undefined, 2)}\n`);
if (name) copyFileSync(config, join(folder, name));
for (const file of others) copyFileSync(file, join(folder, basename(file)));

function readArguments() {
  try {
    const string = { type: 'string' };
    const given = {
      config: string,
      into: string,
      with: { ...string, multiple: true, default: [] },
    };
    return parseArgs({ options: given }).values;
  } catch (error) {
    return refuse(
      `${error.message}: npm run bundle -- [--config FILE] [--with FILE]… [--into FOLDER]`,
    );
  }
}

/** The functions look for it by this name. */
function nameOf(file) {
  if (!existsSync(file)) return refuse(`--config: there is no file ${file}`);
  return extname(file) === '.json' ? 'es-migrate.json' : 'es-migrate.yaml';
}

/** Nothing from before: a configuration that was put there for one bundle must not end up in the next one, or in a package. */
function emptyFolder(given) {
  if (given !== undefined && existsSync(given) && readdirSync(given).length > 0)
    return refuse(`--into: ${given} is not empty`);
  const path = given ?? join(root, 'dist', 'lambda');
  if (given === undefined) rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

/** Before anything is made: two files of one name, or one of the bundle's own, would replace each other. */
function checkNames(files) {
  const functions = FUNCTIONS.join('|');
  const own = RegExp(`^((${functions})\\.mjs|migrations|package\\.json|es-migrate\\.(yaml|json))`);
  const names = files.map((file) => basename(file));
  for (const [i, file] of files.entries()) {
    if (!statSync(file, { throwIfNoEntry: false })?.isFile())
      refuse(`--with: there is no file ${file}`);
    if (own.test(names[i])) refuse(`--with: ${names[i]} is a name of the bundle's own`);
    if (names.indexOf(names[i]) !== i) refuse(`--with: there are two files ${names[i]}`);
  }
}

/** Names are kept, so that a stack trace says where; a map would be larger than what it maps. */
function bundle(one) {
  return build({
    entryPoints: [join(root, 'dist', 'src', 'lambda', `${one}.js`)],
    outfile: join(folder, `${one}.mjs`),
    ...{ bundle: true, format: 'esm', platform: 'node', target: 'node20' },
    ...{ mainFields: ['module', 'main'], minify: true, keepNames: true, legalComments: 'external' },
    banner: { js: BANNER },
    plugins: [leaveOut(one)],
    logLevel: 'warning',
  });
}

function refuse(problem) {
  console.error(`es-migrate: ${problem}`);
  return process.exit(2);
}
