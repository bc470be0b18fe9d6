import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createSampleIndices, sampleIndices } from '../../sandbox/sample.js';
import { runBinary, startBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { mountDisk } from '../objects/disk.js';
import { documentsOf, landedObjects, query } from './landed.js';

const prefix = freshIndexPrefix();
const names = sampleIndices(prefix);
const RECORDS = 25_000;
const MEGABYTE = 1 << 20;
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];
const TIGHT = { limits: { sourceRequestsPerSecond: 0, maxInFlightBytes: '64MiB' } };

const record = (i: number) =>
  `{"message_id":"many","at":"2024-10-01T00:00:${String(Math.floor(i / 1000)).padStart(2, '0')}Z","n":${i}.0,"text":"${'x'.repeat(400)}"}`;
const heavy = `{"timestamp":"2024-10-01T10:00:00Z","n":1.10,"text":"${'€'.repeat(4 * MEGABYTE)}"}`;
const plain = (i: number) => `{"timestamp":"2024-10-01T10:00:00Z","n":${i}.50}`;
let expected: Map<string, string>;

beforeAll(async () => {
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  const put = (id: string, source: string) =>
    send(`${url}/${names.messages}/_doc/${id}`, 'PUT', 'application/json', source);
  await put('heavy', heavy);
  await put('many', plain(0));
  for (let i = 1; i <= 60; i += 1) await put(`small-${i}`, plain(i));
  for (let first = 0; first < RECORDS; first += 2500) {
    const lines = Array.from({ length: 2500 }, (_, i) => {
      // Ids in an order of their own: the contract orders equal times by id.
      const id = String(first + i).padStart(6, '0');
      return `{"index":{"_id":"${id}"}}\n${record(first + i)}\n`;
    });
    await send(`${url}/${names.history}/_bulk`, 'POST', 'application/x-ndjson', lines.join(''));
  }
  await send(`${url}/${prefix}*/_refresh`, 'POST', 'application/json', '');
  const document = (id: string, source: string, history = '') =>
    `{"message_id":"${id}","index":"${names.messages}","message":${source},"history":[${history}],"status":[],"audit":[]}`;
  expected = new Map([
    ['heavy', document('heavy', heavy)],
    [
      'many',
      document('many', plain(0), Array.from({ length: RECORDS }, (_, i) => record(i)).join(',')),
    ],
    ...Array.from(
      { length: 60 },
      (_, i) => [`small-${i + 1}`, document(`small-${i + 1}`, plain(i + 1))] as const,
    ),
  ]);
});

describe('documents larger than their share of memory', () => {
  it.each(['message', 'batch'] as const)(
    'land byte for byte in layout %s, and leave nothing behind',
    async (layout) => {
      const project = await makeProject({ indices: prefix, layout, settings: TIGHT });
      const temporary = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
      const run = await runBinary(['run', ...RANGE], {
        cwd: project.cwd,
        env: { ...project.env, TMPDIR: temporary },
      });
      expect(run.code, run.stderr).toBe(0);
      await expectAll(project, layout);
      expect(await readdir(temporary)).toEqual([]);
    },
  );

  it('leave no temp files for ever when their process is killed while staging', async () => {
    const project = await makeProject({
      indices: prefix,
      layout: 'batch',
      settings: { ...TIGHT, leaseSeconds: 1 },
    });
    const temporary = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
    const env = { ...project.env, TMPDIR: temporary };
    const killed = startBinary(['run', ...RANGE], { cwd: project.cwd, env });
    while (!(await isStaging(temporary))) {
      if (killed.child.exitCode !== null) throw new Error('it ended without staging anything');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(await readdir(temporary)).not.toEqual([]);
    // Until its lease has run out the batch is somebody else's: 4 says so.
    let code = 4;
    while (code === 4) ({ code } = await runBinary(['process'], { cwd: project.cwd, env }));
    expect(code).toBe(0);
    expect(await readdir(temporary)).toEqual([]);
    await expectAll(project, 'batch');
  });

  it('end the run with 5 where their disk is full; the next one goes on', async () => {
    const disk = await mountDisk({ kilobytes: 4096 });
    onTestFinished(() => disk.unmount());
    const project = await makeProject({ indices: prefix, layout: 'batch', settings: TIGHT });
    const full = await runBinary(['run', ...RANGE], {
      cwd: project.cwd,
      env: { ...project.env, TMPDIR: disk.path },
    });
    expect(full.code, full.stderr).toBe(5);
    expect(full.stderr).toMatch(/No space left for the staging file/);
    expect(await readdir(disk.path)).toEqual([]);
    const claimed = "SELECT * FROM batch_progress WHERE status = 'in_progress'";
    expect(await query(project, claimed)).toEqual([]);
    expect((await runBinary(['run', ...RANGE], project)).code).toBe(0);
    await expectAll(project, 'batch');
  });

  it('fail alone where they cannot fit, and the rest goes on', async () => {
    const project = await makeProject({ indices: prefix });
    await project.configure({ limits: { sourceRequestsPerSecond: 0, maxInFlightBytes: '16MiB' } });
    const run = await runBinary(['run', ...RANGE, '--json'], project);
    expect(run.code).toBe(3);
    expect(JSON.parse(run.stdout)).toMatchObject({
      process: { completed: 61, failed: 1, remaining: 0 },
    });
    const errors = await runBinary(['errors', '--json'], project);
    expect(errors.stdout).toMatch(/too_large/);
    expect(errors.stdout).toMatch(/the message alone has 1258\d{4} bytes/);
    expect(errors.stdout).toMatch(/"heavy"/);
    expect((await runBinary(['errors'], project)).stdout).toMatch(
      /^too_large +1 +retry --error too_large, with a higher limits\.maxInFlightBytes/m,
    );
  });
});

async function expectAll(project: Project, layout: 'message' | 'batch'): Promise<void> {
  const objects = await landedObjects(project);
  const landed =
    layout === 'message'
      ? new Map(
          [...objects].map(([key, bytes]) => [
            /([^/]+)\.json$/.exec(key)?.[1],
            bytes.toString('utf8'),
          ]),
        )
      : new Map(
          [...objects]
            .filter(([key]) => key.endsWith('.ndjson.gz'))
            .flatMap(([, object]) => documentsOf(object))
            .map((line) => [/^{"message_id":"([^"]+)"/.exec(line)?.[1], line]),
        );
  expect([...landed.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [id, document] of expected) expect(landed.get(id) === document, id).toBe(true);
}

/** Whether a process stages a document below `temporary` now. */
async function isStaging(temporary: string): Promise<boolean> {
  try {
    const names = await readdir(temporary, { recursive: true });
    return names.some((name) => name.includes('spool-'));
  } catch (error) {
    // Before it starts, a process makes a directory and removes it, perhaps while this reads it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function send(url: string, method: string, type: string, body: string): Promise<void> {
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': type },
    ...(body !== '' && { body }),
  });
  expect(answer.ok).toBe(true);
}
