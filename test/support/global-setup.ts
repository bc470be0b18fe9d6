import type { TestProject } from 'vitest/node';
import { startSandbox, type Coordinates } from '../../sandbox/index.js';

declare module 'vitest' {
  interface ProvidedContext {
    sandbox: Coordinates;
  }
}

/** One sandbox for the whole test run; tests find it by `sandbox()`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const sandbox = await startSandbox({ report: (line) => process.stderr.write(`${line}\n`) });
  const { elasticsearch, mysql, s3 } = sandbox;
  project.provide('sandbox', { elasticsearch, mysql, s3 });
  return () => sandbox.stop();
}
