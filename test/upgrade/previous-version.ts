import { execFile } from 'node:child_process';
import { mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The version that users upgrade from: the last commit with the tracking tables of migration 6. */
export const PREVIOUS = 'e23950a99abf24fb40fb0f78cc88e9650b481d49';

/**
 * Brings up the previous version from this repository's own history, compiled as `npm run build` does, but without the type
 * check, which it passed long ago. Its dependencies are those installed here.
 *
 * @returns the path of its binary
 * @throws Error where the history lacks the commit: a test that passed over it would prove nothing
 */
export async function buildPreviousVersion(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'previous-'));
  await unpack(folder);
  const modules = join(ROOT, 'node_modules');
  await symlink(modules, join(folder, 'node_modules'));
  const compiler = join(modules, 'typescript', 'bin', 'tsc');
  const options = ['-p', 'tsconfig.build.json', '--noCheck', '--declaration', 'false'];
  await run(process.execPath, [compiler, ...options], { cwd: folder });
  return join(folder, 'bin', 'es-migrate.js');
}

async function unpack(folder: string): Promise<void> {
  const archive = join(folder, 'previous.tar');
  try {
    await run('git', ['archive', '-o', archive, PREVIOUS], { cwd: ROOT });
  } catch (error) {
    throw new Error(
      `the previous version, commit ${PREVIOUS}, could not be read: run the tests in a git clone with its whole history (git fetch --unshallow)`,
      { cause: error },
    );
  }
  await run('tar', ['-xf', archive, '-C', folder]);
}
