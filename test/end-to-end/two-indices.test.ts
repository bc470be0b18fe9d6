import { expect, it } from 'vitest';
import { createSampleIndices } from '../../sandbox/sample.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { expectedKey } from './expected.js';
import { landedObjects, trackingRows } from './landed.js';

const IDS = ['same', 'a/b', '../..', 'Same', 'same '];

it('the same ids in two indices of a pattern all land, each under its index, and come back', async () => {
  const prefix = freshIndexPrefix();
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, prefix);
  for (const name of ['a', 'b']) {
    const index = `${prefix}days-${name}`;
    await send(`${url}/${index}`, '{"mappings":{"properties":{"timestamp":{"type":"date"}}}}');
    for (const id of IDS) {
      const source = `{"timestamp":"2024-10-01T10:00:00Z","from":"${name}","n":1.10}`;
      await send(`${url}/${index}/_doc/${encodeURIComponent(id)}?refresh=true`, source);
    }
  }
  const project = await makeProject({ indices: prefix });
  await project.configure({ source: { index: `${prefix}days-*` } });
  const run = await runBinary(['run', '--from', '2024-10-01', '--to', '2024-10-01'], project);
  expect(run.code, run.stderr).toBe(0);

  const rows = await trackingRows(project);
  expect(rows).toHaveLength(2 * IDS.length);
  const objects = await landedObjects(project);
  expect(objects.size).toBe(2 * IDS.length);
  for (const name of ['a', 'b']) {
    const index = `${prefix}days-${name}`;
    for (const id of IDS) {
      const document =
        `{"message_id":${JSON.stringify(id)},"index":"${index}",` +
        `"message":{"timestamp":"2024-10-01T10:00:00Z","from":"${name}","n":1.10},"history":[],"status":[],"audit":[]}`;
      expect(objects.get(expectedKey(id, 's3', index))?.toString()).toBe(document);
      const got = await runBinary(['get', '--index', index, '--', id], project);
      expect([got.code, got.stdout]).toEqual([0, document]);
    }
  }
  const ambiguous = await runBinary(['get', 'same'], project);
  expect(ambiguous).toMatchObject({ code: 2, stdout: '' });
  expect(ambiguous.stderr).toMatch(/--index/);
  const other = await runBinary(['get', '--index', 'nope', 'same'], project);
  expect(other).toMatchObject({ code: 2, stdout: '' });
  expect(other.stderr).toContain(`but of ${prefix}days-a, ${prefix}days-b`);
  expect(await runBinary(['get', 'nobody'], project)).toMatchObject({ code: 2, stdout: '' });
});

async function send(url: string, body: string): Promise<void> {
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body,
  });
  expect(answer.ok).toBe(true);
}
