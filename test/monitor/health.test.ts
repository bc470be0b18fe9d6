import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { freePorts } from '../../sandbox/ports.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary, startBinary, type Running } from '../support/binary.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import { until } from '../support/until.js';
import { add, extractNow, indexed } from '../verify/support.js';

beforeEach(sandboxCredentials);

interface Watched extends Running {
  readonly port: number;
  /** What is answered there; undefined where nobody listens. */
  readonly ask: (path: string) => Promise<{ status: number; text: string } | undefined>;
}

/** `process --watch`, asked for its health. */
async function watching({ cwd, env }: Project): Promise<Watched> {
  const [port] = (await freePorts(1)) as [number];
  const args = ['process', '--watch', '--health-port', String(port)];
  const running = startBinary(args, { cwd, env });
  onTestFinished(() => void running.child.kill('SIGKILL'));
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    return answer && { status: answer.status, text: await answer.text() };
  };
  return { ...running, port, ask };
}

async function extracted(): Promise<Project> {
  const { project } = await indexed({ ids: ids(40) });
  await extractNow(project);
  return project;
}

test('tells load balancers, service managers and Prometheus how it is', async () => {
  const { ask, child, ended } = await watching(await extracted());
  await until(async () => (await ask('/ready'))?.status === 200, 'readiness');
  expect(await ask('/live')).toEqual({ status: 200, text: 'alive\n' });
  const metrics = async () => (await ask('/metrics'))?.text ?? '';
  await until(
    async () => (await metrics()).includes('es_migrate_messages_completed_total 40\n'),
    'all messages',
  );
  const shown = await metrics();
  expect(shown).toContain('es_migrate_batches_completed_total 2\n');
  expect(shown).toContain('es_migrate_batch_duration_seconds_count 2\n');
  expect(shown).toMatch(/es_migrate_source_latency_seconds_bucket\{le="0.05"\} \d+\n/);
  expect(shown).toContain('process_resident_memory_bytes');
  expect((await ask('/'))?.status).toBe(404);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(143);
  expect(await ask('/live')).toBeUndefined();
});

test('is not ready while it connects, and alive', async () => {
  const project = await extracted();
  // Takes connections, and never answers.
  const silent = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await until(() => silent.listening);
  const { port } = silent.address() as AddressInfo;
  await project.configure({
    source: { related: {} },
    tracking: { url: `mysql://nobody@127.0.0.1:${port}/none` },
  });
  const { ask } = await watching(project);
  await until(async () => (await ask('/live')) !== undefined, 'an answer');
  expect(await ask('/live')).toEqual({ status: 200, text: 'alive\n' });
  expect(await ask('/ready')).toEqual({ status: 503, text: 'connecting\n' });
});

test('a port that is taken, or none, is refused before anything is touched', async () => {
  const { cwd, env } = await extracted();
  const taken = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void taken.close());
  await until(() => taken.listening);
  const { port } = taken.address() as AddressInfo;
  const first = await runBinary(['process', '--health-port', String(port)], { cwd, env });
  expect(first.code).toBe(2);
  expect(first.stderr).toContain(`127.0.0.1:${port} can't be listened on (EADDRINUSE)`);
  const second = await runBinary(['process', '--health-port', '70000'], { cwd, env });
  expect(second.code).toBe(2);
  expect(second.stderr).toContain('Give a port such as 9464');
  // TEST-NET-1: nobody has it.
  const elsewhere = ['process', '--health-port', '192.0.2.1:9464'];
  const another = await runBinary(elsewhere, { cwd, env });
  expect(another.code).toBe(2);
  expect(another.stderr).toContain('Give an address of this host');
  const third = await runBinary(['status', '--json'], { cwd, env });
  expect(JSON.parse(third.stdout)).toMatchObject({ messages: { pending: 40, completed: 0 } });
});

/** Clients that begin a request and never end it; resolved once each of them is connected or was refused. */
async function slowClients(port: number, count: number): Promise<Socket[]> {
  const clients = Array.from({ length: count }, () => {
    const client = connect(port, '127.0.0.1');
    client.on('error', () => undefined);
    client.on('connect', () => client.write('GET /live HTTP/1.1\r\nhost: a\r\nx: '));
    client.resume();
    return client;
  });
  onTestFinished(() => {
    for (const client of clients) client.destroy();
  });
  await until(() => clients.every((client) => !client.connecting), 'connections');
  return clients;
}

test('clients that never end their request are let go, and those beyond 64 at once', async () => {
  const { ask, port } = await watching(await extracted());
  await until(async () => (await ask('/ready'))?.status === 200, 'readiness');
  const clients = await slowClients(port, 200);
  const gone = () => clients.filter(({ closed }) => closed).length;
  await until(() => gone() >= 200 - 64, 'those beyond 64 to be closed');
  // Of those that are left none gave its request within the time.
  await until(async () => (await ask('/live'))?.text === 'alive\n', 'an answer all the same');
  await until(() => gone() === 200, 'all of them to be closed');
  const large = await fetch(`http://127.0.0.1:${port}/live`, { headers: { x: 'x'.repeat(8000) } });
  expect(large.status).toBe(431);
  await until(
    async () =>
      (await ask('/metrics'))?.text.includes('es_migrate_messages_completed_total 40\n') === true,
    'all messages',
  );
});

test('at the limit of open files the job goes on, and health is there again', async () => {
  const { project, index } = await indexed({ ids: ids(20) });
  await extractNow(project);
  const { ask, port, child, ended } = await watching(project);
  const completed = async (messages: number) =>
    (await ask('/metrics'))?.text.includes(`es_migrate_messages_completed_total ${messages}\n`) ===
    true;
  // All of its own files are loaded by then.
  await until(() => completed(20), 'the first messages');
  const pid = String(child.pid);
  const open = readdirSync(`/proc/${pid}/fd`).length;
  execFileSync('prlimit', ['--pid', pid, `--nofile=${open + 4}:`]);
  const clients = await slowClients(port, 60);
  // It needs connections that it has not, and can't open them until the clients are let go.
  await add(index, ids(40).slice(20));
  await extractNow(project);
  await until(() => completed(40), 'all messages');
  expect(clients.filter(({ closed }) => closed).length).toBeGreaterThan(0);
  expect(await ask('/live')).toEqual({ status: 200, text: 'alive\n' });
  child.kill('SIGTERM');
  const { code, stderr } = await ended;
  expect(code).toBe(143);
  expect(stderr).not.toMatch(/this is a bug|\n\s+at /);
});
