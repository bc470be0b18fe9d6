import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { startSandbox, type Coordinates } from '../../sandbox/index.js';

declare module 'vitest' {
  interface ProvidedContext {
    sandbox: Coordinates;
  }
}

const SETUP = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));

/**
 * One sandbox for the whole test run; tests find it by `sandbox()`. Before it, dist is brought up to date:
 * many tests run the real binary. Whatever tests put into the temporary folder lies in one that goes with them.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  execFileSync(process.execPath, [SETUP], { stdio: 'inherit' });
  const temporary = mkdtempSync(join(tmpdir(), 'es-migrate-tests-'));
  process.env['TMPDIR'] = temporary;
  const sandbox = await startSandbox({ report: (line) => process.stderr.write(`${line}\n`) });
  const { elasticsearch, mysql, s3 } = sandbox;
  project.provide('sandbox', { elasticsearch, mysql, s3 });
  return async () => {
    await sandbox.stop();
    rmSync(temporary, { recursive: true });
  };
}
