import { programVersion, type Prerequisite } from './prerequisites.js';
import { runTool } from './tool.js';

export const PYTHON = programVersion('python3', 'Python 3.9 or newer', ['python3'], {
  args: ['--version'],
  pattern: /Python (\d+)\.(\d+)/,
  atLeast: [3, 9],
});

/** A module of Python, on Debian a package of its own. */
export const PIP: Prerequisite = {
  what: 'pip for Python 3',
  packages: ['python3-pip'],
  problem: () =>
    runTool('python3', ['-m', 'pip', '--version']).then(
      () => undefined,
      () => 'python3 -m pip does not run',
    ),
};

/**
 * Installs Python packages, with those that they need, into a directory of their own, which is then to be in PYTHONPATH.
 *
 * @param requirement as pip takes it, with its version, such as `moto[server]==5.2.5`
 * @throws MigrateError `usage` when they can't be had
 */
export async function installPackages(
  requirement: string,
  into: string,
  stop?: AbortSignal,
): Promise<void> {
  const quietly = [
    '--quiet',
    '--disable-pip-version-check',
    '--no-input',
    '--root-user-action=ignore',
  ];
  await runTool('python3', ['-m', 'pip', 'install', ...quietly, '--target', into, requirement], {
    advice: "Check that pip's package index (pip config get global.index-url) can be reached.",
    stop,
  });
}
