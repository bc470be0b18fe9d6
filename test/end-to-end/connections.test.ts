import { beforeAll, describe, expect, it } from 'vitest';
import { createSampleIndices, loadSample } from '../../sandbox/sample.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { randomApiKey, startTlsProxy } from '../support/tls-proxy.js';

const prefix = freshIndexPrefix();
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-07'];

beforeAll(async () => {
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  await loadSample(url, {
    messages: 100,
    from: new Date('2024-10-01T00:00:00Z'),
    to: new Date('2024-10-08T00:00:00Z'),
    prefix,
  });
});

describe('connections of the real binary', () => {
  it('go over TLS with certificates of one’s own, by API key and password, past a dead node', async () => {
    const apiKey = randomApiKey();
    const proxy = await startTlsProxy({
      target: sandbox().elasticsearch.url,
      requireAuth: { apiKey },
    });
    const project = await makeProject({ indices: prefix });
    await project.configure({
      source: { url: [proxy.url, 'https://localhost:9'], caFile: proxy.caFile },
      tracking: { url: project.database.url, tls: { caFile: sandbox().mysql.caFile } },
    });
    const env = { ...project.env, ES_MIGRATE_SOURCE_API_KEY: apiKey };
    const run = await runBinary(['run', ...RANGE, '--json'], { cwd: project.cwd, env });
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ process: { completed: 100, failed: 0 } });
    expect(proxy.requests).toBeGreaterThan(0);
    expect(proxy.refused).toBe(0);
    await proxy.close();
  });

  it('are not made to a server whose certificate another authority signed', async () => {
    const proxy = await startTlsProxy({ target: sandbox().elasticsearch.url });
    const project = await makeProject({ indices: prefix });
    await project.configure({ source: { url: proxy.url, caFile: proxy.otherCaFile } });
    const run = await runBinary(['run', ...RANGE], project);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/certificate/);
    expect(proxy.requests).toBe(0);
    await project.configure({
      tracking: { url: project.database.url, tls: { caFile: proxy.otherCaFile } },
    });
    const tracking = await runBinary(['status'], project);
    expect(tracking.code).toBe(2);
    expect(tracking.stderr).toMatch(/MySQL.*certificate/i);
    await proxy.close();
  });

  it('are made without checking only where it is written out, and every run says so', async () => {
    const proxy = await startTlsProxy({ target: sandbox().elasticsearch.url });
    const project = await makeProject({ indices: prefix });
    await project.configure({ source: { url: proxy.url, insecure: true } });
    for (const args of [['run', ...RANGE], ['extract', ...RANGE], ['process']]) {
      const run = await runBinary(args, project);
      expect(run.code, run.stderr).toBe(0);
      expect(run.stderr).toMatch(/insecure|not checked/i);
    }
    await proxy.close();
  });
});
