import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { startSandbox, TEST_SERVERS, type Coordinates } from '../../sandbox/index.js';

declare module 'vitest' {
  interface ProvidedContext {
    sandbox: Coordinates;
  }
}

const SETUP = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));

/**
 * One sandbox for the whole test run; tests find it by `sandbox()`. Before it, dist is brought up to date:
 * many tests run the real binary. Whatever tests put into the temporary folder lies in one that goes with them.
 * Where ES_MIGRATE_TEST_SANDBOX names a file, servers that `npm run sandbox:tests` keeps up are used instead.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  execFileSync(process.execPath, [SETUP], { stdio: 'inherit' });
  const before = process.env['TMPDIR'];
  // A short name: the path of a socket below it has room for 107 bytes.
  const temporary = mkdtempSync(join(tmpdir(), 'esm-'));
  process.env['TMPDIR'] = temporary;
  const clear = () => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    // After Ctrl-C tests may still be writing.
    rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
  };
  const kept = process.env['ES_MIGRATE_TEST_SANDBOX'];
  if (kept !== undefined) {
    project.provide('sandbox', JSON.parse(readFileSync(kept, 'utf8')) as Coordinates);
    return () => {
      clear();
      return Promise.resolve();
    };
  }
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const sandbox = await startSandbox({ servers: TEST_SERVERS, report }).catch((error: unknown) => {
    clear();
    throw error;
  });
  const { elasticsearch, mysql, s3, sqs, aws } = sandbox;
  project.provide('sandbox', { elasticsearch, mysql, s3, sqs, aws });
  return async () => {
    await sandbox.stop();
    clear();
  };
}
