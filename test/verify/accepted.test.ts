import { beforeEach, expect, test } from 'vitest';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import type { Project } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { change } from '../end-to-end/landed.js';
import { add, differences, extractNow, indexed, named, processNow, verifyNow } from './support.js';

beforeEach(sandboxCredentials);

/** 30 messages, of which these vanish after they were extracted. */
async function vanished(...gone: string[]): Promise<{ project: Project; index: string }> {
  const made = await indexed({ ids: ids(30), batchSize: 10 });
  await extractNow(made.project);
  for (const id of gone) {
    const url = `${sandbox().elasticsearch.url}/${made.index}/_doc/${id}?refresh=true`;
    expect((await fetch(url, { method: 'DELETE' })).ok).toBe(true);
  }
  await processNow(made.project);
  return made;
}

async function command(project: Project, ...argv: string[]) {
  const { code, stdout, stderr } = await runBinary(argv, project);
  return { code, stdout, stderr };
}
const ACCEPT = ['accept', '--error', 'missing', '--reason', 'deleted on request'];

test('with nothing but accepted failures left, everything is proven, on each level', async () => {
  const { project } = await vanished('a3', 'a7');
  const before = await verifyNow(project, { level: 'content' });
  expect(before).toMatchObject({ ok: false, failed: 2, accepted: 0, found: { gone: 2 } });
  expect(await command(project, ...ACCEPT)).toMatchObject({ code: 0 });
  for (const level of ['counts', 'objects', 'content'] as const) {
    const after = await verifyNow(project, { level });
    expect(after, level).toMatchObject({ ok: true, failed: 2, accepted: 2, pending: 0 });
    expect(differences(after), level).toEqual({});
  }
  const verified = await command(project, 'verify', '--level', 'content');
  expect(verified.code, verified.stderr).toBe(0);
  expect(verified.stdout).toMatch(/Nothing is missing \(besides 2 failed and accepted\): each of 28 messages/);
  const json = JSON.parse((await command(project, 'verify', '--json')).stdout) as object;
  expect(json).toMatchObject({ ok: true, failed: 2, accepted: 2, acceptedWindows: 0 });
}, 120_000); // prettier-ignore

test('what else is gone from the source is still told', async () => {
  const { project, index } = await vanished('a3');
  await command(project, ...ACCEPT);
  const url = `${sandbox().elasticsearch.url}/${index}/_doc/a8?refresh=true`;
  expect((await fetch(url, { method: 'DELETE' })).ok).toBe(true);
  const verified = await verifyNow(project, { level: 'counts' });
  expect(differences(verified)).toEqual({ gone: 1 });
  expect(verified.findings[0]?.detail).toMatch(/1 more are accepted as missing$/);
});

test('one that is at the source again has arrived, and is migrated by retry', async () => {
  const { project, index } = await vanished('a3', 'a7');
  await command(project, ...ACCEPT);
  await add(index, ids(4));
  const verified = await verifyNow(project, { level: 'counts' });
  expect(named(verified)).toEqual(['arrived a3']);
  expect(verified).toMatchObject({ ok: false, failed: 2, accepted: 2 });
  const told = await command(project, 'verify');
  expect(told.code).toBe(3);
  expect(told.stderr).toMatch(/"es-migrate retry --error missing" puts them back/);
  expect(told.stderr).not.toMatch(/adds what is not tracked/);
  expect(await command(project, 'retry', '--id', 'a3')).toMatchObject({ code: 0 });
  expect(await command(project, 'process')).toMatchObject({ code: 0 });
  expect(await verifyNow(project)).toMatchObject({ ok: true, failed: 1, accepted: 1 });
}, 120_000);

test('a window that is accepted is told apart', async () => {
  const { project } = await vanished();
  await change(project, `UPDATE extract_windows SET status = 'failed', reason = 'read 29 of 30'`);
  await change(project, `UPDATE job_runs SET status = 'failed', next_run_date = NULL`);
  expect(differences(await verifyNow(project, { level: 'counts' }))).toEqual({ inconsistent: 1 });
  expect(await command(project, 'process')).toMatchObject({ code: 3 });
  const status = await command(project, 'status');
  expect(status.stdout).toMatch(/1 window could not be read whole \(1\); .* accept it with --window/);
  const settle = ['accept', '--job', '1', '--window', '1', '--reason', 'its shard is lost'];
  expect(await command(project, ...settle)).toMatchObject({ code: 0, stdout: 'window 1 of job 1 accepted\n' });
  const after = await verifyNow(project, { level: 'counts' });
  expect(after).toMatchObject({ ok: true, acceptedWindows: 1 });
  expect(differences(after)).toEqual({});
  expect(await command(project, 'process')).toMatchObject({ code: 0 });
  expect((await command(project, 'status')).stdout).toMatch(/job 1: 1 window accepted as not read whole/);
}, 120_000); // prettier-ignore
