import { expect, test } from 'vitest';
import { createSampleIndices } from '../../sandbox/sample.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

const HELD_BACK = /Elasticsearch works for us .* of the time/;

test('who is held back by sourceLoad is told so, and nobody else is', async () => {
  const prefix = freshIndexPrefix();
  await createSampleIndices(sandbox().elasticsearch.url, prefix);
  const project = await makeProject({ indices: prefix });
  const dryRun = ['extract', '--dry-run', '--from', '2024-10-01', '--to', '2024-10-01'];
  const stderrWith = async (limits: Record<string, unknown>) => {
    await project.configure({ limits });
    const { code, stderr } = await runBinary(dryRun, project);
    expect(code, stderr).toBe(0);
    return stderr;
  };
  expect(await stderrWith({ sourceLoad: 0.125 })).toMatch(/12\.5 % of the time/);
  expect(await stderrWith({ sourceRequestsPerSecond: 50 })).toMatch(/10 % of the time/);
  expect(await stderrWith({ sourceLoad: 1 })).not.toMatch(HELD_BACK);
  expect(await stderrWith({ sourceRequestsPerSecond: 0 })).not.toMatch(HELD_BACK);
  await project.configure({ limits: {} });
  const status = await runBinary(['status'], project);
  expect(status.code, status.stderr).toBe(0);
  expect(status.stderr).not.toMatch(HELD_BACK);
});
