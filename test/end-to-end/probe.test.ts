import { expect, it } from 'vitest';
import { bulk, createIndex } from '../elasticsearch/support.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { landedObjects, query } from './landed.js';

const RANGE = ['--from', '2024-10-01', '--to', '2024-10-31'];

it('generated ids beside a message_id: told once which line to write, and with it all records land', async () => {
  const prefix = freshIndexPrefix();
  const keyword = { type: 'keyword' };
  const date = { type: 'date' };
  const [index, records] = [`${prefix}messages`, `${prefix}message_history`];
  await createIndex(index, { properties: { timestamp: date, message_id: keyword } });
  await createIndex(records, { properties: { message_id: keyword, at: date } });
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  const day = (n: number) => `2024-10-${String(1 + (n % 31)).padStart(2, '0')}T10:00:00Z`;
  await bulk(
    index,
    numbers.map((n) => ({
      id: `Generated_${n}`,
      source: `{"timestamp":"${day(n)}","message_id":"m${n}"}`,
    })),
  );
  await bulk(
    records,
    numbers
      .filter((n) => n % 4 > 0)
      .map((n) => ({ id: `r${n}`, source: `{"message_id":"m${n}","at":"${day(n)}"}` })),
  );
  const history = { index: records, key: 'message_id', sort: 'at' };
  const source = (changes: object = {}) => ({
    source: { index, related: { history: { ...history, ...changes } } },
  });
  const project = await makeProject({ indices: prefix, settings: source() });

  const message = `of 40 messages sampled, 0 have records in ${records} by _id, and 30 by message_id (source.related.history)`;
  const line = `Write source.related.history: { index: ${records}, key: message_id, on: message_id, sort: at }; where _id is right all the same, add probe: false to what is there.`;
  for (const command of ['extract', 'run']) {
    const refused = await runBinary([command, ...RANGE], project);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain(`es-migrate: ${message}\nes-migrate: ${line}\n`);
    expect(refused.stderr).not.toMatch(/^\s+at /m);
  }
  expect(await query(project, 'SELECT 1 FROM job_runs')).toEqual([]);
  expect(await query(project, 'SELECT 1 FROM message_tracking')).toEqual([]);

  await project.configure(source({ on: 'message_id' }));
  const tried = await runBinary(['extract', ...RANGE, '--dry-run', '--json'], project);
  expect(tried.code, tried.stderr).toBe(0);
  expect(JSON.parse(tried.stdout)).toMatchObject({
    expected: 40,
    related: { history: { sampled: 40, withRecords: 30, records: 30, withoutValue: 0 } },
  });
  const told = await runBinary(['extract', ...RANGE, '--dry-run', '--verbose'], project);
  expect(told.stdout).toContain('history: of 40 messages sampled, 30 have records, 30 in all');
  expect(told.stderr).toMatch(/probe of related records: sampled 40 messages: 2 searches, \d+ ms/);
  expect(told.stderr).toMatch(/probe of source\.related\.history: 3 searches, \d+ ms/);

  const run = await runBinary(['run', ...RANGE], project);
  expect(run.code, run.stderr).toBe(0);
  const objects = await landedObjects(project);
  expect(objects.size).toBe(40);
  for (const n of numbers) {
    const expected = n % 4 > 0 ? `[{"message_id":"m${n}","at":"${day(n)}"}]` : '[]';
    const document = objects.get(`messages/Generated_${n}.json`)?.toString();
    expect(document).toMatch(new RegExp(`"history":${expected.replace(/[[\]{}.]/g, '\\$&')}\\}$`));
  }
});
