// Brings a checkout to the point where it runs: dependencies as locked, TypeScript compiled. Does nothing
// that is already done, so it stands in front of every npm script. In an installed package there is
// nothing to do: it comes compiled.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);

if (existsSync(at('src')) && existsSync(at('tsconfig.build.json'))) {
  const wanted = createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex');
  const stamp = at('node_modules', '.es-migrate-lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error']);
    writeFileSync(stamp, wanted);
  }
  if (
    newest(['src', 'sandbox', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']) >
    builtAt()
  ) {
    rmSync(at('dist'), { recursive: true, force: true });
    run(process.execPath, [
      at('node_modules', 'typescript', 'bin', 'tsc'),
      '-p',
      at('tsconfig.build.json'),
    ]);
    writeFileSync(at('dist', '.built'), '');
  }
}

function run(command, args) {
  try {
    // Our own output belongs to the command that follows, so what a step says goes to stderr.
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  } catch {
    console.error(
      `es-migrate: set-up stopped: ${command} ${args.join(' ')} failed (its output is above)`,
    );
    process.exit(1);
  }
}

function builtAt() {
  return existsSync(at('dist', '.built')) ? statSync(at('dist', '.built')).mtimeMs : 0;
}

function newest(paths) {
  return Math.max(...paths.map((path) => newestIn(at(path))));
}

function newestIn(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce(
    (latest, name) => Math.max(latest, newestIn(join(path, name))),
    stat.mtimeMs,
  );
}
