import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { program, provide } from '../../sandbox/prerequisites.js';
import { until } from '../support/until.js';
import { INSTANCE, startAutoScaling, type AutoScaling } from './auto-scaling.js';
import { pathOf } from './files.js';
import { tools } from './templates.js';

/** On a worker there are a service manager and the AWS CLI; here the first is a script that writes down what it is told. */
let folder: string;
let path: string;
let env: NodeJS.ProcessEnv;
let autoScaling: AutoScaling;
/** What happened, in its order. */
let happened: string[];

beforeAll(async () => {
  await provide([program('curl', 'curl', ['curl'])], () => undefined);
  ({ env } = await tools());
}, 600_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'es-migrate-drain-'));
  path = join(folder, 'systemctl.log');
  happened = [];
  await put('systemctl', `echo "$@" >>'${path}'`);
  await put('aws', 'exec python3 -m awscli "$@"');
  autoScaling = await startAutoScaling(() => happened.push('completed'));
  onTestFinished(async () => {
    autoScaling.close();
    await rm(folder, { recursive: true, force: true });
  });
});

async function put(name: string, script: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, name), 0o755);
}

const told = () => readFile(path, 'utf8').catch(() => '');

/** Starts the script as its unit does. */
function drain(variables: Readonly<Record<string, string>> = {}) {
  const child = spawn(pathOf('ec2-autoscaling/drain.sh'), {
    env: {
      ...env,
      PATH: `${folder}${delimiter}${env['PATH'] ?? ''}`,
      AUTO_SCALING_GROUP: 'workers',
      LIFECYCLE_HOOK: 'drain',
      METADATA_ENDPOINT: autoScaling.metadata,
      POLL_SECONDS: '0.1',
      AWS_ENDPOINT_URL_AUTO_SCALING: autoScaling.endpoint,
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_MAX_ATTEMPTS: '1',
      ...variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, said }));
  return { child, ended };
}

const UNITS = 'es-migrate-extract.timer es-migrate-extract.service es-migrate-process.service';

test('nothing is stopped while the host is to stay, and what is there is before it goes', async () => {
  await put('systemctl', `echo "$@" >>'${path}'; echo stopped >>'${path}'`);
  const { child, ended } = drain();
  // First there is no target state, then one that lets the host be.
  await until(() => autoScaling.asked >= 2);
  autoScaling.target = 'InService';
  const before = autoScaling.asked;
  await until(() => autoScaling.asked >= before + 2);
  expect(child.exitCode).toBeNull();
  expect(await told()).toBe('');
  autoScaling.target = 'Terminated';
  expect(await ended).toMatchObject({ code: 0 });
  expect(await told()).toBe(`stop ${UNITS}\nstopped\n`);
  expect(autoScaling.taken).toMatchObject([
    {
      Action: 'CompleteLifecycleAction',
      AutoScalingGroupName: 'workers',
      LifecycleHookName: 'drain',
      LifecycleActionResult: 'CONTINUE',
      InstanceId: INSTANCE,
    },
  ]);
  expect(autoScaling.withoutToken).toBe(0);
});

test('the host goes only when everything has stopped', async () => {
  autoScaling.target = 'Terminated';
  const mayEnd = join(folder, 'may-end');
  await put('systemctl', `touch '${path}'; while ! [ -e '${mayEnd}' ]; do sleep 0.1; done`);
  const { ended } = drain();
  await until(async () => (await readFile(path).catch(() => undefined)) !== undefined);
  expect(happened).toEqual([]);
  await writeFile(mayEnd, '');
  expect(await ended).toMatchObject({ code: 0 });
  expect(happened).toEqual(['completed']);
});

test('the host goes, too, where stopping fails, and that is said', async () => {
  autoScaling.target = 'Terminated';
  await put('systemctl', 'exit 1');
  const { code, said } = await drain().ended;
  expect(code).toBe(0);
  expect(said).toContain('es-migrate could not be stopped');
  expect(happened).toEqual(['completed']);
});

test('it fails where Auto Scaling does not take it, and the next start makes up for it', async () => {
  autoScaling.target = 'Terminated';
  autoScaling.refusals = 1;
  const first = await drain().ended;
  expect(first.code).not.toBe(0);
  expect(first.said).toContain('No active Lifecycle Action found');
  expect(happened).toEqual([]);
  expect(await drain().ended).toMatchObject({ code: 0 });
  expect(happened).toEqual(['completed']);
});

test('it says what it was not told', async () => {
  const { code, said } = await drain({ LIFECYCLE_HOOK: '' }).ended;
  expect(code).not.toBe(0);
  expect(said).toContain('LIFECYCLE_HOOK: is not set');
  expect(autoScaling.asked).toBe(0);
});
