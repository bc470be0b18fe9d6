// Brings a checkout to the point where it runs: dependencies as locked, TypeScript compiled. Does nothing
// that is already done, so it stands in front of every npm script. In an installed package there is
// nothing to do: it comes compiled.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);

const INPUTS = [
  'src',
  'sandbox',
  'bench',
  'tsconfig.json',
  'tsconfig.build.json',
  'package-lock.json',
];

if (existsSync(at('tsconfig.build.json'))) {
  if (!isInstalled()) run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error']);
  if (!isBuilt()) build();
}

/** Compares what npm says it installed with what is locked. Packages for other platforms are left out by npm. */
function isInstalled() {
  const installed = at('node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const there = packagesOf(installed);
  return Object.entries(packagesOf(at('package-lock.json'))).every(
    ([path, { version, optional }]) => path === '' || optional || there[path]?.version === version,
  );
}

function packagesOf(lockFile) {
  return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}

function isBuilt() {
  const stamp = at('dist', '.built');
  return (
    existsSync(stamp) &&
    statSync(stamp).mtimeMs >= Math.max(...INPUTS.map((path) => newest(at(path))))
  );
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** Beside what is there, which stays where compiling fails, and which others may be running. */
function build() {
  const fresh = at('node_modules', `.es-migrate-build-${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  // First of all: what is changed while it compiles is newer.
  writeFileSync(join(fresh, '.built'), '');
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc');
  run(process.execPath, [tsc, '-p', at('tsconfig.build.json'), '--outDir', fresh], () =>
    rmSync(fresh, { recursive: true, force: true }),
  );
  rmSync(at('dist'), { recursive: true, force: true });
  renameSync(fresh, at('dist'));
}

function run(command, args, cleanUp = () => undefined) {
  try {
    // Our own output belongs to the command that follows, so what a step says goes to stderr.
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  } catch {
    cleanUp();
    console.error(
      `es-migrate: set-up stopped: ${command} ${args.join(' ')} failed (its output is above)`,
    );
    process.exit(1);
  }
}
