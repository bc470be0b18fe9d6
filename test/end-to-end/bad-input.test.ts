import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSampleIndices, loadSample } from '../../sandbox/sample.js';
import { mountDisk, type Disk } from '../objects/disk.js';
import { startReadOnlyS3, type ReadOnlyS3 } from '../objects/read-only-s3.js';
import { runBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { startTlsProxy, type TlsProxy } from '../support/tls-proxy.js';
import { query } from './landed.js';

const prefix = freshIndexPrefix();
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-07'];
const related = (changes: Record<string, string>) => ({
  related: {
    history: { index: `${prefix}message_history`, key: 'message_id', sort: 'at', ...changes },
  },
});
let guarded: TlsProxy;
let readOnly: ReadOnlyS3;
let fullDisk: Disk;
let readOnlyDisk: Disk;

beforeAll(async () => {
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, {
    messages: 50,
    from: new Date('2024-10-01T00:00:00Z'),
    to: new Date('2024-10-08T00:00:00Z'),
    prefix,
  });
  await fetch(`${url}/${prefix}text-keys`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"mappings":{"properties":{"message_id":{"type":"text"},"at":{"type":"date"}}}}',
  });
  guarded = await startTlsProxy({
    target: url,
    requireAuth: { username: 'reader', password: 'right' },
  });
  readOnly = await startReadOnlyS3();
  fullDisk = await mountDisk({ kilobytes: 4 });
  await writeFile(join(fullDisk.path, 'filler'), Buffer.alloc(4096)).catch(() => undefined);
  readOnlyDisk = await mountDisk({ kilobytes: 64, readOnly: true });
});

afterAll(async () => {
  await Promise.all([guarded.close(), readOnly.stop(), fullDisk.unmount(), readOnlyDisk.unmount()]);
});

interface Bad {
  readonly what: string;
  /** Settings that replace the project's, section by section. */
  readonly settings?: () => Record<string, unknown>;
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
  readonly prepare?: (project: Project) => Promise<void>;
  /** What the line names. */
  readonly says: RegExp;
}

const CASES: readonly Bad[] = [
  {
    what: 'a malformed configuration',
    prepare: ({ cwd }) => writeFile(join(cwd, 'es-migrate.yaml'), 'source: { url: [\n'),
    says: /es-migrate\.yaml/,
  },
  {
    what: 'an unknown key',
    settings: () => ({ source: { dateFeild: 'timestamp' } }),
    says: /source\.dateFeild.*dateField/,
  },
  {
    what: 'from after to',
    args: ['run', '--from', '2024-10-08', '--to', '2024-10-01'],
    says: /2024-10-08.*2024-10-0/,
  },
  { what: 'a day that does not exist', args: ['run', '--from', '2024-02-30'], says: /2024-02-30/ },
  { what: 'a batch size of 0', args: ['run', ...RANGE, '--batch-size', '0'], says: /batch-?size/i },
  {
    what: 'a batch size of 10,001',
    args: ['run', ...RANGE, '--batch-size', '10001'],
    says: /batch-?size/i,
  },
  {
    what: 'an index that does not exist',
    settings: () => ({ source: { index: 'nowhere' } }),
    says: /nowhere.*source\.index/s,
  },
  {
    what: 'a pattern that matches no index',
    settings: () => ({ source: { index: 'nowhere-*' } }),
    says: /nowhere-\*.*source\.index/s,
  },
  {
    what: 'a date field that is not mapped',
    settings: () => ({ source: { dateField: 'sent' } }),
    says: /\bsent\b.*source\.dateField/s,
  },
  {
    what: 'a date field that is no date',
    settings: () => ({ source: { dateField: 'channel' } }),
    says: /channel.*keyword.*source\.dateField/s,
  },
  {
    what: 'a related index that does not exist',
    settings: () => ({ source: related({ index: 'nowhere' }) }),
    says: /nowhere.*source\.related\.history/s,
  },
  {
    what: 'a related key that is missing',
    settings: () => ({ source: related({ key: 'messageId' }) }),
    says: /messageId.*source\.related\.history\.key/s,
  },
  {
    what: 'a related key in which a search would find nothing',
    settings: () => ({ source: related({ index: `${prefix}text-keys` }) }),
    says: /message_id.*text.*source\.related\.history\.key/s,
  },
  {
    what: "Elasticsearch's password wrong",
    settings: () => ({ source: { url: guarded.url, caFile: guarded.caFile } }),
    env: { ES_MIGRATE_SOURCE_USERNAME: 'reader', ES_MIGRATE_SOURCE_PASSWORD: 'wr0ng-secret' },
    says: /Elasticsearch.*401/,
  },
  {
    what: "Elasticsearch's certificate unknown",
    settings: () => ({ source: { url: guarded.url } }),
    says: /certificate.*source\.caFile/s,
  },
  {
    what: "MySQL's password wrong",
    env: { ES_MIGRATE_TRACKING_PASSWORD: 'wr0ng-secret' },
    says: /MySQL.*Access denied.*ES_MIGRATE_TRACKING_PASSWORD/s,
  },
  {
    what: "S3's secret wrong",
    env: { AWS_SECRET_ACCESS_KEY: 'wr0ng-secret' },
    says: /credentials|AWS/i,
  },
  {
    what: 'a database that does not exist',
    settings: () => {
      const { host, port, user } = sandbox().mysql;
      return { tracking: { url: `mysql://${user}@${host}:${port}/nowhere` } };
    },
    says: /nowhere/,
  },
  {
    what: 'a bucket that does not exist',
    settings: () => ({ target: { url: 's3://no-such-bucket-here/prefix' } }),
    says: /no-such-bucket-here/,
  },
  {
    what: 'a bucket that is read-only',
    settings: () => ({
      target: { url: `s3://${readOnly.bucket}/prefix`, endpoint: readOnly.endpoint },
    }),
    env: { AWS_ACCESS_KEY_ID: 'AKREADONLY', AWS_SECRET_ACCESS_KEY: 'read-only-secret' },
    says: /read-only/,
  },
  {
    what: 'a filter file that is not JSON',
    args: ['run', ...RANGE, '--filter', 'filter.json'],
    prepare: ({ cwd }) => writeFile(join(cwd, 'filter.json'), '{"term": {'),
    says: /filter\.json/,
  },
  {
    what: 'a filter file that is not a query',
    args: ['run', ...RANGE, '--filter', 'filter.json'],
    prepare: ({ cwd }) => writeFile(join(cwd, 'filter.json'), '{"no_such_query": {}}'),
    says: /no_such_query.*--filter/s,
  },
  {
    what: 'a directory on a full disk',
    settings: () => ({ target: { url: `file://${fullDisk.path}/export` } }),
    says: /space|full/i,
  },
  {
    what: 'a directory on a read-only disk',
    settings: () => ({ target: { url: `file://${readOnlyDisk.path}/export` } }),
    says: /read-only/i,
  },
];

describe('bad input ends with 2, says what is wrong, and touches nothing', () => {
  it.each(CASES)(
    '$what',
    async ({ settings, env = {}, args = ['run', ...RANGE], prepare, says }) => {
      const project = await makeProject({ indices: prefix });
      if (settings) await project.configure(settings());
      await prepare?.(project);
      const run = await runBinary(args, { cwd: project.cwd, env: { ...project.env, ...env } });
      expect({ code: run.code, stdout: run.stdout }, run.stderr).toEqual({ code: 2, stdout: '' });
      expect(run.stderr).toMatch(says);
      // A problem in a line, what to do in another; never a stack trace, never a secret.
      expect(problemLines(run.stderr).length, run.stderr).toBeLessThanOrEqual(2);
      expect(run.stderr).not.toMatch(/^(es-migrate: )?\s+at /m);
      expect(run.stderr).not.toContain('wr0ng-secret');
      expect(await rowsOf(project)).toEqual([]);
      expect(await readdir(project.objects).catch(() => [])).toEqual([]);
    },
  );

  it('no configuration at all', async () => {
    const project = await makeProject({ indices: prefix });
    const run = await runBinary(['run', ...RANGE], { cwd: join(project.cwd, '..'), env: {} });
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/es-migrate\.yaml/);
  });

  it('several problems are told at once', async () => {
    const project = await makeProject({ indices: prefix });
    await project.configure({ batchSize: 0, conurrency: 4, source: { url: 'nonsense' } });
    const run = await runBinary(['status'], project);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/batchSize/);
    expect(run.stderr).toMatch(/conurrency.*concurrency/);
    expect(run.stderr).toMatch(/source\.url/);
  });

  it('a prefix another database writes to', async () => {
    const first = await makeProject({ indices: prefix });
    expect((await runBinary(['run', ...RANGE], first)).code).toBe(0);
    const second = await makeProject({ indices: prefix });
    await second.configure({ target: { url: first.urlPrefix.slice(0, -1) } });
    const before = await readdir(first.objects, { recursive: true });
    const run = await runBinary(['run', ...RANGE], second);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/another|other.*database|belongs/i);
    expect(await rowsOf(second)).toEqual([]);
    expect(await readdir(first.objects, { recursive: true })).toEqual(before);
  });

  it('a user without privileges on the database', async () => {
    const project = await makeProject({ indices: prefix });
    const { host, port, user, password, database } = project.database;
    const admin = await createConnection({ host, port, user, password });
    const name = `poor_${database.slice(-8)}`;
    await admin.query(`CREATE USER ?@'%' IDENTIFIED BY 'poor-secret'`, [name]);
    await admin.query(`GRANT SELECT ON ${database}.* TO ?@'%'`, [name]);
    await admin.end();
    await project.configure({ tracking: { url: `mysql://${name}@${host}:${port}/${database}` } });
    const env = { ...project.env, ES_MIGRATE_TRACKING_PASSWORD: 'poor-secret' };
    const run = await runBinary(['run', ...RANGE], { cwd: project.cwd, env });
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/denied.*\n.*privileges/i);
    expect(run.stderr).not.toContain('poor-secret');
    expect(await rowsOf(project)).toEqual([]);
  });
});

function problemLines(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.startsWith('es-migrate: '));
}

/** Rows of any kind that a run would have written; a schema without rows is nothing. */
async function rowsOf(project: Project): Promise<unknown[]> {
  const tables = await query(project, "SHOW TABLES LIKE 'job_runs'");
  if (tables.length === 0) return [];
  return query(
    project,
    `SELECT 'job' AS what FROM job_runs UNION ALL SELECT 'batch' FROM batch_progress UNION ALL SELECT 'message' FROM message_tracking`,
  );
}
