import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cached, isCached } from '../cache.js';
import { resource } from '../package-root.js';
import { programVersion, provide, type Prerequisite } from '../prerequisites.js';
import { PIP } from '../python.js';
import { runTool } from '../tool.js';

/** As some of the locked packages need it. */
const PYTHON = programVersion('python3', 'Python 3.11 or newer', ['python3'], {
  args: ['--version'],
  pattern: /Python (\d+)\.(\d+)/,
  atLeast: [3, 11],
});

/** What has to be installed before {@link prepareCfnLint}: only Python once its packages are there. */
export async function cfnLintPrerequisites(): Promise<Prerequisite[]> {
  return isCached(await cacheName()) ? [PYTHON] : [PYTHON, PIP];
}

/**
 * Fetches what the templates of deploy/ are checked by, once: cfn-lint, AWS's translator of SAM, the AWS CLI, shellcheck.
 *
 * @returns the directory of its packages, for PYTHONPATH; shellcheck lies in its `bin`
 */
export async function prepareCfnLint(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<string> {
  await provide(await cfnLintPrerequisites(), report);
  const name = await cacheName();
  return cached(
    name,
    async (into) => {
      report(`fetching ${name}, which checks the templates, once (1 minute)`);
      const quietly = [
        ...['--quiet', '--disable-pip-version-check', '--no-input'],
        '--root-user-action=ignore',
      ];
      // Nothing is built here, and nothing is taken that was not locked.
      const locked = ['--require-hashes', '--only-binary', ':all:', '--requirement', lockFile()];
      await runTool('python3', ['-m', 'pip', 'install', ...quietly, '--target', into, ...locked], {
        advice: "Check that pip's package index (pip config get global.index-url) can be reached.",
        stop,
      });
    },
    () => report(`waiting for another process to fetch ${name}`),
    stop,
  );
}

const lockFile = () => resource('cfn-lint', 'requirements.txt');

/** Of all that is locked: whatever of it changes is fetched anew. */
async function cacheName(): Promise<string> {
  const lock = await readFile(lockFile(), 'utf8');
  const version = /^cfn-lint==(\S+)/m.exec(lock)?.[1];
  if (version === undefined) throw new Error('sandbox/cfn-lint/requirements.txt pins no cfn-lint');
  return `cfn-lint-${version}-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`;
}
