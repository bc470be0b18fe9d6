/** What the commands say and do on a host where other users may write to what they are given. */
import { chmod, mkdir, mkdtemp, readdir, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { createSampleIndices, sampleIndices } from '../../sandbox/sample.js';
import { put, refresh } from '../elasticsearch/support.js';
import { runBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { query, trackingRows } from './landed.js';

const indices = freshIndexPrefix();
let project: Project;

beforeAll(async () => {
  await createSampleIndices(sandbox().elasticsearch.url, indices);
  const { messages } = sampleIndices(indices);
  await put(messages, 'a', '{"timestamp":"2024-10-01T12:00:00Z"}');
  await refresh(messages);
  project = await makeProject({ indices, target: 'file' });
  const range = ['--from', '2024-10-01', '--to', '2024-10-01'];
  const { code, stderr } = await runBinary(['extract', ...range], project);
  expect(code, stderr).toBe(0);
  await mkdir(project.objects, { recursive: true });
});

async function expectUntouched(): Promise<void> {
  const claimed = "SELECT * FROM batch_progress WHERE status <> 'pending'";
  expect(await query(project, claimed)).toEqual([]);
}

it('a target that every user may write to is exit 2, and nothing is claimed', async () => {
  await chmod(project.objects, 0o777);
  const { code, stderr } = await runBinary(['process'], project);
  expect([code, stderr]).toEqual([2, expect.stringContaining('may be written by every user')]);
  expect(await readdir(project.objects)).toEqual([]);
  await expectUntouched();
});

it('a temporary directory in which another user was first is exit 2, and nothing is claimed', async () => {
  await chmod(project.objects, 0o700);
  const temporary = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  const own = join(temporary, `es-migrate-${process.geteuid?.() ?? ''}`);
  await symlink('/', own);
  const env = { ...project.env, TMPDIR: temporary };
  const { code, stderr } = await runBinary(['process'], { cwd: project.cwd, env });
  expect(code).toBe(2);
  expect(stderr).toContain(`Temporary files cannot be kept in ${own}: it is a symbolic link`);
  await expectUntouched();
});

it('a target that others may add to is used with a warning, and its files have the configured mode', async () => {
  await chmod(project.objects, 0o1777);
  await project.configure({ target: { mode: '0640' } });
  const { code, stderr } = await runBinary(['process'], project);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(
    `WARN: the target directory ${project.objects} may be written by every user (its mode is 1777)`,
  );
  const [row] = await trackingRows(project);
  const { mode } = await stat(new URL(row?.s3_path ?? ''));
  expect(mode & 0o777).toBe(0o640);
});
