import { afterEach, expect, it } from 'vitest';
import { change, query } from '../end-to-end/landed.js';
import { runBinary, startBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { startHttpProxy, type HttpProxy } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { compareAll } from '../support/whole.js';
import { loadMessages, RANGE, type Messages } from './messages.js';

// One message kills the process that uploads it, with MySQL alone.

const SETTINGS = { batchSize: 10, concurrency: 4, leaseSeconds: 300 };
const POISON = /message[^/]*2F25\.json/;

interface Row {
  readonly batch_id: number;
  readonly status: string;
  readonly claims: number;
  readonly tries: number;
}

let proxy: HttpProxy | undefined;
afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
});

/** Whoever uploads the message is killed by `kill`, and gets no answer. */
async function poisoned(
  kill: (project: Project) => void,
): Promise<{ project: Project; messages: Messages; heal: () => void }> {
  const messages = await loadMessages({ count: 100 });
  const project = await makeProject({ indices: messages.indices, settings: SETTINGS });
  const through = await startHttpProxy(sandbox().s3.endpoint, ({ method, url }) => {
    if (method !== 'PUT' || !POISON.test(url)) return undefined;
    kill(project);
    return { do: 'hold' };
  });
  proxy = through;
  await project.configure({ ...SETTINGS, target: { endpoint: through.url } });
  expect((await runBinary(['extract', ...RANGE], project)).code).toBe(0);
  return { project, messages, heal: () => through.use(() => undefined) };
}

const batches = (project: Project) =>
  query<never>(project, 'SELECT batch_id, status, claims, tries FROM batch_progress ORDER BY batch_id') as Promise<unknown> as Promise<Row[]>; // prettier-ignore
const holderOfPoison = `SELECT b.batch_id, b.lease_owner FROM batch_progress b JOIN message_tracking t USING (batch_id) WHERE t.message_id = 'message/25'`;

/** It is given up with its reason, all others are completed; put back, it is migrated. */
async function givenUp(
  project: Project,
  messages: Messages,
  stderr: string,
  heal: () => void,
): Promise<void> {
  const [poison] = (await query<never>(project, holderOfPoison)) as unknown as Row[];
  const id = poison?.batch_id ?? 0;
  const reason = `batch ${id} was tried 4 times, and no try came to its end`;
  expect(stderr).toContain(reason);
  for (const batch of await batches(project)) {
    if (batch.batch_id === id) expect(batch).toMatchObject({ status: 'failed', claims: 4, tries: 0 });
    else expect(batch).toMatchObject({ status: 'completed', tries: 0 });
  }
  const errors = await runBinary(['errors', '--json'], project);
  expect(JSON.parse(errors.stdout)).toMatchObject({
    byCode: [{ code: 'poisoned', messages: 10, permanent: true }],
    messages: expect.arrayContaining([expect.objectContaining({ stage: 'batch', detail: expect.stringContaining(reason) as string })]) as unknown,
  });
  heal();
  expect((await runBinary(['retry', '--error', 'poisoned'], project)).code).toBe(0);
  expect((await runBinary(['process'], project)).code).toBe(0);
  const whole = await compareAll(project, messages.expected, { layout: 'message', errors: 10 });
  expect(whole.wrong.filter((line) => !/ has lost 1 attempts$/.test(line))).toEqual([]);
} // prettier-ignore

it('a batch that kills its process is given up after as many claims as with a queue; the others lose nothing', async () => {
  let kill = () => undefined as unknown;
  const { project, messages, heal } = await poisoned(() => void kill());
  let stderr = '';
  let kills = 0;
  for (; kills < 10; kills += 1) {
    const running = startBinary(['process', '--json'], project);
    kill = () => running.child.kill('SIGKILL');
    const { code, ...said } = await running.ended;
    ({ stderr } = said);
    if (code === 137) {
      const after = await batches(project);
      // The second time it had one other beside it at most, from then on none.
      const held = after.filter(({ status }) => status !== 'completed');
      const again = held.filter(({ tries }) => tries > 0).length;
      expect(again).toBeLessThanOrEqual(kills === 0 ? 0 : 2);
      if (kills > 0) expect(again).toBeGreaterThan(0);
      continue;
    }
    expect(code, stderr).toBe(3);
    expect(JSON.parse(said.stdout)).toMatchObject({ completed: 0, failed: 10, remaining: 0 });
    break;
  }
  expect(kills).toBe(4);
  const innocent = (await batches(project)).filter(({ status }) => status === 'completed');
  for (const { claims } of innocent) expect(claims).toBeLessThanOrEqual(3);
  await givenUp(project, messages, stderr, heal);
});

it('with --processes it takes workers with it, one after the other, until it is given up', async () => {
  let isKilling = false;
  const { project, messages, heal } = await poisoned((where) => {
    if (isKilling) return;
    isKilling = true;
    void query<never>(where, holderOfPoison).then((rows) => {
      const [row] = rows as unknown as { lease_owner: string }[];
      isKilling = false;
      process.kill(Number(row?.lease_owner.split(':').at(-1)), 'SIGKILL');
    });
  });
  // The fourth time nobody is left of the first three: it is a worker that was started for them.
  const { code, stdout, stderr } = await runBinary(
    ['process', '--processes', '3', '--json'],
    project,
  );
  expect(code, stderr).toBe(3);
  expect(stderr.match(/was killed by SIGKILL/g)).toHaveLength(4);
  expect(JSON.parse(stdout)).toMatchObject({ completed: 90, failed: 10, remaining: 0 });
  await givenUp(project, messages, stderr, heal);
});

it('a batch that was tried before waits for others in hand, and they for it', async () => {
  const { project, messages, heal } = await poisoned(() => undefined);
  heal();
  await change(project, 'UPDATE batch_progress SET tries = 1, suspect = TRUE WHERE batch_id <= 3');
  const options = { cwd: project.cwd, env: { ...project.env, ES_MIGRATE_TEST_STOP_AT: 'SIGKILL batch-claimed 9' }, preload: ['stop-at.mjs'] as const };
  expect((await runBinary(['process'], options)).code).toBe(137);
  // The ninth is the second of those: all before it had ended.
  const left = (await batches(project)).filter(({ status }) => status !== 'completed');
  expect(left.map(({ status }) => status).sort()).toEqual(['in_progress', 'pending']);
  expect((await runBinary(['process'], project)).code).toBe(0);
  const whole = await compareAll(project, messages.expected, { layout: 'message' });
  expect(whole.wrong).toEqual([]);
}); // prettier-ignore
