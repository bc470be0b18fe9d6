import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createSampleIndices, loadSample, sampleIndices } from '../../sandbox/sample.js';
import { change, query } from '../end-to-end/landed.js';
import { runBinary, startBinary, type Ended } from '../support/binary.js';
import { makeProject, type Project, type ProjectOptions } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

const MESSAGES = 200;
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];
/** An index that nobody changes. */
let shared: string;

beforeAll(async () => {
  shared = await loadedSample();
});

async function loadedSample(): Promise<string> {
  const prefix = freshIndexPrefix();
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, {
    messages: MESSAGES,
    from: new Date('2024-10-01T00:00:00Z'),
    to: new Date('2024-10-02T00:00:00Z'),
    prefix,
  });
  return prefix;
}

async function migrated(options: Partial<ProjectOptions> = {}): Promise<Project> {
  const project = await makeProject({
    indices: shared,
    settings: { batchSize: 50 },
    ...options,
  });
  expect(await runBinary(['extract', ...RANGE], project)).toMatchObject({ code: 0 });
  expect(await runBinary(['process'], project)).toMatchObject({ code: 0 });
  return project;
}

async function verified(project: Project, ...flags: string[]): Promise<[number, unknown, Ended]> {
  const ended = await runBinary(['verify', '--json', ...flags], project);
  expect(ended.stdout, ended.stderr).toMatch(/^\{.*\}\n$/);
  return [ended.code, JSON.parse(ended.stdout), ended];
}

/** Ordinary ids with their keys. */
async function ordinary(project: Project): Promise<{ id: string; key: string }[]> {
  const rows = await query(project, 'SELECT message_id, s3_path FROM message_tracking');
  return rows
    .map((row) => ({
      id: String(row['message_id']),
      key: String(row['s3_path']).slice(project.urlPrefix.length),
    }))
    .filter(({ id }) => /^[0-9a-f-]{36}$/.test(id));
}

async function place(project: Project, key: string, text: string): Promise<void> {
  const path = join(project.objects, key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

const NOTHING = {
  missing: 0,
  mismatched: 0,
  orphaned: 0,
  foreign: 0,
  unreadable: 0,
  inconsistent: 0,
  unfinished: 0,
  changed: 0,
  deleted: 0,
  arrived: 0,
  gone: 0,
  pending: 0,
  failed: 0,
};
const COUNTS = {
  sourceNow: MESSAGES,
  sourceThen: MESSAGES,
  tracked: MESSAGES,
  completed: MESSAGES,
  stored: MESSAGES,
};

describe.each(['message', 'batch'] as const)('layout %s, left alone', (layout) => {
  test.each(['counts', 'objects', 'content'])('--level %s finds nothing', async (level) => {
    const project = await migrated({ layout });
    const [code, json, { stdout, stderr }] = await verified(project, '--level', level);
    expect(json).toMatchObject({ ...NOTHING, level, ok: true, checked: MESSAGES, counts: COUNTS });
    expect(code, stderr).toBe(0);
    // What the contract names stands first.
    expect(stdout).toMatch(
      /^\{"level":"\w+","checked":200,"missing":0,"mismatched":0,"orphaned":0,"ok":true,/,
    );
    expect(stderr).not.toMatch(/warn|error/i);
  });
});

test(
  'what was planted is found, exactly; repaired, and only what is not ours is left',
  { timeout: 300_000 },
  async () => {
    const project = await migrated();
    const [deleted, flipped, edited] = await ordinary(project);
    if (!deleted || !flipped || !edited) throw new Error('too few messages');
    await rm(join(project.objects, deleted.key));
    const bytes = await readFile(join(project.objects, flipped.key));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(join(project.objects, flipped.key), bytes);
    await change(
      project,
      `UPDATE message_tracking SET s3_path = CONCAT(s3_path, 'x') WHERE message_id = '${edited.id}'`,
    );
    await place(project, 'holiday.jpg', 'somebody else');

    const [code, json] = await verified(project, '--level', 'content', '--combined', 'diff.txt');
    const planted = { missing: 1, mismatched: 2, orphaned: 1, foreign: 1 };
    expect(json).toMatchObject({ ...NOTHING, ...planted, ok: false, level: 'content' });
    expect(code).toBe(3);
    const marks = (await readFile(join(project.cwd, 'diff.txt'), 'utf8')).split('\n').sort();
    expect(marks.filter((line) => /^[^=]/.test(line)).map((line) => line.split('\t')[0])).toEqual([
      ...[`* ${flipped.key}`, `* ${edited.key}`].sort(),
      `+ ${deleted.key}`,
      '- holiday.jpg',
    ]);

    const text = await runBinary(['verify', '--level', 'content'], project);
    const lines = text.stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toBe('NOT proven: 1 missing, 2 mismatched, 1 foreign');
    expect(text.stdout).toMatch(/^missing: 1 completed, but not in the target$/m);
    expect(text.stdout).toContain(`  ${JSON.stringify(deleted.id)}, batch `);
    expect(lines.length).toBeLessThanOrEqual(15);
    expect(text.stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^es-migrate: "es-migrate verify --level content --repair"/,
    );

    const repair = await runBinary(['verify', '--level', 'content', '--repair'], project);
    expect(repair.code).toBe(3);
    expect(repair.stdout).toMatch(/^repaired: 3 messages pending again, 0 objects/m);
    expect(repair.stderr).toMatch(/3 messages/);
    expect(repair.stderr.trimEnd().split('\n').at(-1)).toMatch(/es-migrate process/);
    expect(await runBinary(['process'], project)).toMatchObject({ code: 0 });
    const [after, left] = await verified(project, '--level', 'content');
    expect(left).toMatchObject({ ...NOTHING, orphaned: 1, foreign: 1, counts: COUNTS });
    expect(after).toBe(3);
    expect(await readFile(join(project.objects, 'holiday.jpg'), 'utf8')).toBe('somebody else');
    await rm(join(project.objects, 'holiday.jpg'));
    expect((await verified(project, '--level', 'content'))[0]).toBe(0);
  },
);

test('what changed at the source since is told, and no repair touches it', async () => {
  const prefix = await loadedSample();
  const names = sampleIndices(prefix);
  const project = await migrated({ indices: prefix });
  const [updated, grown, deleted] = await ordinary(project);
  const { url } = sandbox().elasticsearch;
  const send = (method: string, path: string, body?: string) =>
    fetch(`${url}/${path}?refresh=true`, {
      method,
      ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
    });
  const document = '{"timestamp":"2024-10-01T12:00:00Z"}';
  await send('PUT', `${names.messages}/_doc/${updated?.id ?? ''}`, document);
  const record = `{"message_id":"${grown?.id ?? ''}","at":"2024-10-01T12:00:00Z"}`;
  await send('PUT', `${names.history}/_doc/later`, record);
  await send('DELETE', `${names.messages}/_doc/${deleted?.id ?? ''}`);
  const found = { ...NOTHING, changed: 2, deleted: 1, gone: 1 };
  const [code, json] = await verified(project, '--level', 'content', '--repair');
  expect(json).toMatchObject({ ...found, ok: false, repaired: { messages: 0, objects: 0 } });
  expect(code).toBe(3);
});

test('what arrived since is told with the command that reads it, which works', async () => {
  const prefix = await loadedSample();
  const project = await migrated({ indices: prefix });
  const { url } = sandbox().elasticsearch;
  await fetch(`${url}/${sampleIndices(prefix).messages}/_doc/late?refresh=true`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"timestamp":"2024-10-01T12:00:00Z"}',
  });
  const [code, json, { stderr }] = await verified(project, '--level', 'counts');
  expect(json).toMatchObject({ ...NOTHING, arrived: 1, ok: false });
  expect(code).toBe(3);
  const command = /"es-migrate (extract --from \S+ --to \S+)"/.exec(stderr)?.[1] ?? '';
  expect(await runBinary(command.split(' '), project)).toMatchObject({ code: 0 });
  const [pendingCode, pending, { stderr: next }] = await verified(project);
  expect([pendingCode, pending]).toMatchObject([3, { ...NOTHING, pending: 1, ok: false }]);
  expect(next).toMatch(/es-migrate process/);
  expect(await runBinary(['process'], project)).toMatchObject({ code: 0 });
  expect((await verified(project, '--level', 'content'))[0]).toBe(0);
});

describe('where nothing may be touched', () => {
  test('a prefix nothing was migrated to: exit 2, and it stays nobody’s', async () => {
    const project = await makeProject({ indices: shared });
    await place(project, 'holiday.jpg', 'somebody else');
    const { code, stdout, stderr } = await runBinary(['verify'], project);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`nothing was migrated to ${project.urlPrefix.slice(0, -1)}`);
    expect(await readdir(project.objects)).toEqual(['holiday.jpg']);
  });

  test("another database's prefix: exit 2", async () => {
    const first = await migrated();
    const second = await makeProject({ indices: shared });
    await second.configure({ target: { url: first.urlPrefix.slice(0, -1) } });
    const { code, stderr } = await runBinary(['verify', '--repair'], second);
    expect(code).toBe(2);
    expect(stderr).toMatch(/belongs to tracking database/);
  });

  test('a schema newer than the binary: exit 2', async () => {
    const project = await migrated();
    await change(
      project,
      "INSERT INTO schema_migrations (version, name, applied_at) VALUES (9999, 'later', NOW(3))",
    );
    const { code, stdout, stderr } = await runBinary(['verify'], project);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/schema version 9999.*\n.*newer es-migrate/);
  });

  test('a job that is not there: exit 2', async () => {
    const project = await migrated();
    const { code, stderr } = await runBinary(['verify', '--job', '77'], project);
    expect(code).toBe(2);
    expect(stderr).toContain('there is no job 77');
  });
});

describe('run ends with verify', () => {
  test('its JSON has three parts, and its text the verdict as last line', async () => {
    const project = await makeProject({ indices: shared, layout: 'batch' });
    const { code, stdout } = await runBinary(
      ['run', ...RANGE, '--json', '--level', 'content', '--sample', '50%'],
      project,
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      extract: { extracted: MESSAGES },
      process: { completed: MESSAGES, remaining: 0 },
      verify: { level: 'content', ok: true, ...NOTHING },
    });
    const again = await runBinary(['run', ...RANGE], project);
    expect(again.stdout.trimEnd().split('\n').at(-1)).toBe(
      'Nothing is missing: each of 200 messages has its object, as the target lists it, and nothing else lies there',
    );
  });

  test('a difference makes it exit 3', async () => {
    const project = await migrated();
    await place(project, 'holiday.jpg', 'somebody else');
    const { code, stdout, stderr } = await runBinary(['run', ...RANGE], project);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^foreign: 1 /m);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/foreign objects/);
  });

  test('nothing is verified while messages remain', async () => {
    const project = await makeProject({ indices: shared, settings: { batchSize: 50 } });
    const flags = ['run', ...RANGE, '--max-batches', '1', '--json'];
    const { code, stdout } = await runBinary(flags, project);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ process: { remaining: 150 }, verify: null });
    const [later, json] = await verified(project);
    expect([later, json]).toMatchObject([3, { pending: 150, missing: 0, ok: false }]);
  });
});

test('stopped, it ends with 130; the same command goes on from there', async () => {
  const project = await migrated({ settings: { batchSize: 5 } });
  await project.configure({
    batchSize: 5,
    concurrency: 1,
    limits: { sourceRequestsPerSecond: 20, sourceLoad: 0 },
  });
  const running = startBinary(['verify', '--level', 'content', '--verbose'], project);
  await untilSome(() => query(project, "SELECT 1 FROM verify_runs WHERE stage = 'content'"));
  running.child.kill('SIGINT');
  const { code, stdout, stderr } = await running.ended;
  expect(code, stderr).toBe(130);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^NOT proven: .*stopped before the end/);
  expect(stderr).toMatch(/goes on from there/);
  await project.configure({ batchSize: 5 });
  const [after, json, ended] = await verified(project, '--level', 'content');
  expect([after, json]).toMatchObject([0, { ok: true, checked: MESSAGES }]);
  expect(ended.stderr).toMatch(/goes on where it stopped, at stage content/);
});

async function untilSome(look: () => Promise<unknown[]>): Promise<void> {
  for (;;) {
    if ((await look()).length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
