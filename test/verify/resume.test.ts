import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { hostileIds } from '../../sandbox/sample/ids.js';
import type { RunEvent } from '../../src/core/run.js';
import { change, query } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { quietRun } from '../support/core.js';
import { runOutLeases } from '../support/lease-audit.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import { flip, migrated, plant, remove, stoppedAt, verifyNow, type Verified } from './support.js';

beforeEach(sandboxCredentials);

/** All that must not depend on whether a verification was interrupted. */
function result(verified: Verified): unknown {
  return {
    ...verified,
    verifyId: undefined,
    findings: verified.findings.map(({ kind, key, detail }) => ({ kind, key, detail })),
  };
}

describe('a verification that is interrupted', () => {
  let project: Project;
  let directory: string;
  let whole: unknown;
  let wholeDiff: string;
  const file = (name: string) => join(directory, name);

  beforeAll(async () => {
    const restore = sandboxCredentials();
    directory = await mkdtemp(join(tmpdir(), 'es-migrate-verify-'));
    ({ project } = await migrated({ ids: [...ids(1_500), ...hostileIds('z')], batchSize: 100 }));
    await remove(project, 'messages/a3.json');
    await flip(project, 'messages/a1400.json');
    await plant(project, 'messages/a2', 'x');
    await plant(project, 'zzz', 'x');
    await change(project, `UPDATE batch_progress SET failed = 3 WHERE batch_id = 7`);
    const verified = await verifyNow(project, { diffFile: file('whole') });
    whole = result(verified);
    wholeDiff = await readFile(file('whole'), 'utf8');
    restore();
  });

  afterAll(async () => {
    await rm(directory, { recursive: true });
    await project.database.drop();
  });

  test('writes a line for everything', () => {
    const lines = wholeDiff.split('\n').slice(0, -1);
    const signs = lines.map((line) => line.charAt(0)).sort();
    expect(signs.filter((sign) => sign === '=')).toHaveLength(1_519 - 2);
    expect(
      lines.filter((line) => !line.startsWith('= ')).map((line) => line.split('\t')[0]),
    ).toEqual(
      ['* batch 7', '- messages/a2', '* messages/a1400.json', '- zzz', '+ messages/a3.json'].sort(
        byListing(lines),
      ),
    );
    expect(lines.every((line) => line.startsWith('= ') || line.includes('\t'))).toBe(true);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    'stopped at checkpoint %i, it ends as one in one go',
    async (times) => {
      const diffFile = file(`stopped-${times}`);
      const stopped = await verifyNow(project, { diffFile }, stoppedAt('verify-checkpoint', times));
      expect(stopped.ended).toBe('stopped');
      const told: string[] = [];
      const resumed = await verifyNow(project, { diffFile }, reporting(told));
      expect(told.join('\n')).toContain('goes on where it stopped');
      expect(resumed.verifyId).toBe(stopped.verifyId);
      expect(result(resumed)).toEqual(whole);
      expect(await readFile(diffFile, 'utf8')).toBe(wholeDiff);
    },
  );

  test.each([1, 4])(
    'killed at checkpoint %i, it goes on once its lease has run out',
    async (times) => {
      const diffFile = file(`killed-${times}`);
      const { cwd, env } = project;
      const stopAt = { ES_MIGRATE_TEST_STOP_AT: `SIGKILL verify-checkpoint ${times}` };
      const killed = await runBinary(['verify', '--combined', diffFile], {
        cwd,
        env: { ...env, ...stopAt },
        preload: ['stop-at.mjs'],
      });
      expect(killed.code).toBe(137);
      // What was written behind the last checkpoint is cut off.
      await writeFile(diffFile, '= half a li', { flag: 'a' });
      const busy = await verifyNow(project, { diffFile });
      expect(busy).toMatchObject({ ended: 'busy', ok: false });
      await runOutLeases(project);
      const resumed = await verifyNow(project, { diffFile });
      expect(result(resumed)).toEqual(whole);
      expect(await readFile(diffFile, 'utf8')).toBe(wholeDiff);
    },
  );

  test('it begins anew where the diff file is gone, or shorter than it was', async () => {
    for (const damage of [rm, (path: string) => truncate(path, 10)]) {
      const diffFile = file('damaged');
      await verifyNow(project, { diffFile }, stoppedAt('verify-checkpoint', 4));
      await damage(diffFile);
      const told: string[] = [];
      expect(result(await verifyNow(project, { diffFile }, reporting(told)))).toEqual(whole);
      expect(told.join('\n')).toContain('begins anew');
      expect(await readFile(diffFile, 'utf8')).toBe(wholeDiff);
    }
  });

  test('it begins anew where it is asked to, or where anything was tracked since', async () => {
    const first = await verifyNow(project, {}, stoppedAt('verify-checkpoint', 3));
    const restarted = await verifyNow(
      project,
      { restart: true },
      stoppedAt('verify-checkpoint', 3),
    );
    expect(restarted.verifyId).not.toBe(first.verifyId);
    await change(
      project,
      'UPDATE batch_progress SET completed_at = NOW(3) + INTERVAL 1 HOUR WHERE batch_id = 9',
    );
    const told: string[] = [];
    const anew = await verifyNow(project, {}, reporting(told));
    expect(anew.verifyId).not.toBe(restarted.verifyId);
    expect(told.join('\n')).toContain('the tracking tables have changed');
    expect(result(anew)).toEqual(whole);
  });

  test('it begins anew where it stopped more than a day ago', async () => {
    const first = await verifyNow(project, {}, stoppedAt('verify-checkpoint', 3));
    await change(
      project,
      `UPDATE verify_runs SET updated_at = NOW(3) - INTERVAL 25 HOUR WHERE verify_id = ${first.verifyId ?? 0}`,
    );
    const told: string[] = [];
    const anew = await verifyNow(project, {}, reporting(told));
    expect(anew.verifyId).not.toBe(first.verifyId);
    expect(told.join('\n')).toContain('begins anew: it stopped more than 24 hours ago');
    expect(result(anew)).toEqual(whole);
  });

  test('what earlier ones found is forgotten, but for the last that ended', async () => {
    const last = await verifyNow(project);
    const now = await verifyNow(project);
    const kept = await query(
      project,
      'SELECT DISTINCT verify_id AS id FROM verify_findings ORDER BY 1',
    );
    expect(kept.map((row) => Number(row['id']))).toEqual([last.verifyId, now.verifyId]);
    expect(await query(project, 'SELECT 1 FROM verify_keys')).toEqual([]);
  });
});

test('a diff file that cannot be written is refused in one line', async () => {
  const { project } = await migrated({ ids: ids(1) });
  onTestFinished(() => project.database.drop());
  await expect(verifyNow(project, { diffFile: '/nowhere/at/all' })).rejects.toThrow(
    /^\/nowhere\/at\/all cannot be written/,
  );
  // It holds nobody up.
  expect((await verifyNow(project)).ok).toBe(true);
  await expect(verifyNow(project, { diffFile: '/dev/full' })).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('the disk is full') as string,
  });
});

function reporting(told: string[]) {
  return quietRun((event: RunEvent) => {
    if (event.type === 'log') told.push(event.message);
  });
}

/** In the order in which they stand in the file. */
function byListing(lines: readonly string[]): (a: string, b: string) => number {
  const place = (start: string) => lines.findIndex((line) => line.startsWith(`${start}\t`));
  return (a, b) => place(a) - place(b);
}
