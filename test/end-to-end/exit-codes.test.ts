import { createServer as createHttpServer, request as request_, type Server } from 'node:http';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { createSampleIndices, loadSample, sampleIndices } from '../../sandbox/sample.js';
import { runBinary, startBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { change, query } from './landed.js';

const prefix = freshIndexPrefix();
const MESSAGES = 1_200;
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-07'];

beforeAll(async () => {
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, {
    messages: MESSAGES,
    from: new Date('2024-10-01T00:00:00Z'),
    to: new Date('2024-10-08T00:00:00Z'),
    prefix,
  });
});

const project = (settings: Record<string, unknown> = {}) =>
  makeProject({ indices: prefix, layout: 'batch', settings });

describe('exit codes of the real binary', () => {
  it('0: done, nothing left over; also for an empty range', async () => {
    const here = await project();
    const run = await runBinary(['run', ...RANGE], here);
    expect(run).toMatchObject({ code: 0 });
    const empty = await runBinary(
      ['extract', '--from', '2001-01-01', '--to', '2001-01-02', '--json'],
      here,
    );
    expect(empty.code).toBe(0);
    expect(JSON.parse(empty.stdout)).toMatchObject({ expected: 0, extracted: 0, batches: 0 });
  });

  it('0: a dry run writes nothing at all', async () => {
    const here = await project();
    for (const command of ['extract', 'run']) {
      const run = await runBinary([command, ...RANGE, '--dry-run', '--json'], here);
      expect(run.code, run.stderr).toBe(0);
      expect(run.stdout).toMatch(/"expected":1200/);
    }
    expect(await query(here, 'SHOW TABLES')).toEqual([]);
    expect(await landed(here)).toBe(0);
  });

  it('1: a bug, said in one line without a stack trace', async () => {
    const here = await project();
    expect((await runBinary(['extract', ...RANGE], here)).code).toBe(0);
    // Impossible without a hand in the database.
    await change(here, 'DELETE FROM job_runs');
    const run = await runBinary(['process'], here);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/belongs to no job/);
    expect(run.stderr).not.toMatch(/^(es-migrate: )?\s+at /m);
    const verbose = await runBinary(['process', '--verbose'], here);
    expect(verbose.stderr).toMatch(/^(es-migrate: )?\s+at /m);
  });

  it('2: usage', async () => {
    const here = await project();
    expect(await runBinary(['extract', '--from', '2024-02-30'], here)).toMatchObject({
      code: 2,
      stdout: '',
    });
  });

  it('3: messages failed, and a retry after the reason is gone ends with 0', async () => {
    const here = await project();
    expect((await runBinary(['extract', ...RANGE], here)).code).toBe(0);
    const { url } = sandbox().elasticsearch;
    const index = sampleIndices(prefix).messages;
    const [row] = await query(
      here,
      'SELECT message_id FROM message_tracking ORDER BY batch_id LIMIT 1',
    );
    const id = encodeURIComponent(String(row?.['message_id']));
    const original = await (await fetch(`${url}/${index}/_source/${id}`)).text();
    await fetch(`${url}/${index}/_doc/${id}?refresh=true`, { method: 'DELETE' });
    try {
      const run = await runBinary(['process', '--json'], here);
      expect(run.code).toBe(3);
      expect(JSON.parse(run.stdout)).toMatchObject({
        completed: MESSAGES - 1,
        failed: 1,
        requeued: 0,
        remaining: 0,
      });
      const errors = await runBinary(['errors', '--json'], here);
      expect(errors.code).toBe(0);
      expect(errors.stdout).toMatch(/"missing"/);
      // Permanent: not put back by itself.
      expect((await runBinary(['retry'], here)).code).toBe(3);
      const again = await runBinary(['process', '--json'], here);
      expect([again.code, JSON.parse(again.stdout)]).toMatchObject([
        3,
        { completed: 0, failed: 0, requeued: 0, remaining: 0 },
      ]);
    } finally {
      await fetch(`${url}/${index}/_doc/${id}?refresh=true`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: original,
      });
    }
    const unknown = await runBinary(['retry', '--error', 'mising'], here);
    expect(unknown.stdout).toContain('no message failed with mising can be requeued');
    expect((await runBinary(['retry', '--error', 'missing'], here)).code).toBe(0);
    const last = await runBinary(['process', '--json'], here);
    expect([last.code, JSON.parse(last.stdout)]).toMatchObject([
      0,
      { completed: 1, failed: 0, requeued: 0, remaining: 0 },
    ]);
  });

  it('4: others hold what is left; the same job is being extracted elsewhere', async () => {
    const here = await project();
    expect((await runBinary(['extract', ...RANGE], here)).code).toBe(0);
    await change(
      here,
      `UPDATE batch_progress SET status = 'in_progress', lease_token = REPEAT('a', 32), lease_owner = 'elsewhere:1',
              lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR ORDER BY batch_id LIMIT 1`,
    );
    const run = await runBinary(['process', '--json'], here);
    expect([run.code, JSON.parse(run.stdout)]).toMatchObject([
      4,
      { completed: MESSAGES - 500, failed: 0, requeued: 0, remaining: 500 },
    ]);
    await change(
      here,
      `UPDATE job_runs SET lease_token = REPEAT('b', 32), lease_owner = 'elsewhere:2',
              lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR`,
    );
    const second = await runBinary(['extract', ...RANGE], here);
    expect(second.code).toBe(4);
    expect(second.stderr).toMatch(/elsewhere:2/);
  });

  it('5: a server is down for longer than retryFor, and nothing stays claimed', async () => {
    const here = await project({ retryFor: '1s' });
    expect((await runBinary(['extract', ...RANGE], here)).code).toBe(0);
    const dead = await freePort();
    await here.configure({ retryFor: '1s', source: { url: `http://127.0.0.1:${dead}` } });
    expect(await runBinary(['process'], here)).toMatchObject({ code: 5 });
    await here.configure({ retryFor: '1s', target: { endpoint: `http://127.0.0.1:${dead}` } });
    expect(await runBinary(['process'], here)).toMatchObject({ code: 5 });
    await here.configure({
      retryFor: '1s',
      tracking: { url: `mysql://nobody@127.0.0.1:${dead}/none` },
    });
    expect(await runBinary(['status'], here)).toMatchObject({ code: 5 });
    const held = await query(here, "SELECT * FROM batch_progress WHERE status = 'in_progress'");
    expect(held).toEqual([]);
    await here.configure({});
    expect(await runBinary(['process'], here)).toMatchObject({ code: 0 });
  });

  it.each([
    { signal: 'SIGINT', code: 130 },
    { signal: 'SIGTERM', code: 143 },
  ] as const)('$code: stopped by $signal, with everything released', async ({ signal, code }) => {
    // Slow enough to be stopped in the middle.
    const here = await project({
      limits: { sourceRequestsPerSecond: 8, sourceLoad: 0 },
      batchSize: 50,
      retryFor: '60s',
    });
    const quick = await runBinary(['extract', ...RANGE], here);
    expect(quick.code).toBe(0);
    const running = startBinary(['process', '--verbose'], here);
    await untilSome(() =>
      query(here, "SELECT 1 FROM batch_progress WHERE status = 'in_progress' LIMIT 1"),
    );
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ code });
    expect(await query(here, "SELECT * FROM batch_progress WHERE status = 'in_progress'")).toEqual(
      [],
    );
    expect(
      await query(here, "SELECT * FROM message_tracking WHERE status = 'in_progress'"),
    ).toEqual([]);
    await here.configure({});
    expect(await runBinary(['process'], here)).toMatchObject({ code: 0 });
  });

  it('a second signal stops at once', async () => {
    const hanging = await hangingSearches(sandbox().elasticsearch.url);
    const here = await project();
    expect((await runBinary(['extract', ...RANGE], here)).code).toBe(0);
    await here.configure({ source: { url: hanging.url } });
    const running = startBinary(['process'], here);
    await hanging.searched;
    running.child.kill('SIGTERM');
    await running.shows(/SIGTERM/);
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(
      /SIGINT once more: stopped; the next run on this host takes over at once what was claimed/,
    );
    hanging.server.close();
  });
});

async function landed(here: Project): Promise<number> {
  const names = await readdir(here.objects, { recursive: true }).catch(() => []);
  return names.length;
}

async function untilSome(look: () => Promise<unknown[]>): Promise<void> {
  for (;;) {
    if ((await look()).length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Stands before Elasticsearch and passes everything on but searches, which it never answers. */
async function hangingSearches(
  target: string,
): Promise<{ server: Server; url: string; searched: Promise<unknown> }> {
  const server = createHttpServer((request, response) => {
    if (request.url?.includes('_search')) {
      server.emit('searched');
      return;
    }
    const onward = request_(`${target}${request.url ?? ''}`, {
      method: request.method ?? 'GET',
      headers: request.headers,
    });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  const searched = once(server, 'searched');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    searched,
  };
}
