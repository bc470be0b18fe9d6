import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import type { Outcome } from '../../sandbox/lambda/container.js';
import { LambdaFunction } from '../../sandbox/lambda/function.js';
import { prepareLambdaRuntime, type LambdaRuntime } from '../../sandbox/lambda/prepare.js';
import type { Project } from '../support/project.js';

const BUNDLE = fileURLToPath(new URL('../../scripts/bundle.mjs', import.meta.url));

/** What functions are made of: the runtime, and the folder that is uploaded. */
export interface Deployment {
  readonly runtime: LambdaRuntime;
  readonly folder: string;
  remove(): Promise<void>;
}

/** For `beforeAll`: where the runtime has to be built first it takes minutes, in milliseconds. */
export const BUILD_TIMEOUT_MS = 900_000;

/** Bundles the functions as `npm run bundle` does; for `beforeAll`. */
export async function bundled(): Promise<Deployment> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const runtime = await prepareLambdaRuntime(report);
  const folder = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  await promisify(execFile)(process.execPath, [BUNDLE, '--into', folder]);
  return { runtime, folder, remove: () => rm(folder, { recursive: true }) };
}

export interface Deployed {
  readonly extract: LambdaFunction;
  readonly process: LambdaFunction;
  readonly retry: LambdaFunction;
}

const TIMEOUT_MS = 60_000;

/** The three functions with a project's configuration, until `stop`; their timeouts in milliseconds. */
export async function deploy(
  { runtime, folder }: Deployment,
  { cwd, env }: Project,
  timeouts: Partial<Record<keyof Deployed, number>> = {},
): Promise<Deployed & { stop(): Promise<void> }> {
  await cp(folder, cwd, { recursive: true });
  const one = (name: keyof Deployed) =>
    new LambdaFunction(runtime, {
      ...{ name, handler: `${name}.${name}`, taskRoot: cwd },
      timeoutMs: timeouts[name] ?? TIMEOUT_MS,
      env: { ...env, AWS_EC2_METADATA_DISABLED: 'true' },
    });
  const functions = { extract: one('extract'), process: one('process'), retry: one('retry') };
  const stop = async () => {
    await Promise.all(Object.values(functions).map((each) => each.stop()));
  };
  return { ...functions, stop };
}

/** The same, for one test. */
export async function deployed(
  deployment: Deployment,
  project: Project,
  timeouts?: Partial<Record<keyof Deployed, number>>,
): Promise<Deployed> {
  const functions = await deploy(deployment, project, timeouts);
  onTestFinished(() => functions.stop());
  return functions;
}

/** What a function returned; fails where it did not. */
export function returned(outcome: Outcome): unknown {
  if (outcome.kind !== 'returned') throw new Error(JSON.stringify(outcome));
  return JSON.parse(outcome.body);
}

/** Our own lines of a function's log, from all its containers; those of the runtime are left out. */
export async function logOf(one: LambdaFunction): Promise<Record<string, unknown>[]> {
  const logs = await Promise.all(one.containers.map((container) => container.log()));
  return logs
    .flatMap((log) => log.split('\n'))
    .filter((line) => line.startsWith('{"time"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
