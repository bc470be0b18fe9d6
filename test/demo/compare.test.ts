import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import {
  createSampleIndices,
  loadSample,
  sampleIndices,
  type SampleOptions,
} from '../../sandbox/sample.js';
import { chooseMessages, type Chosen } from '../../src/commands/demo/choose.js';
import { compare } from '../../src/commands/demo/compare.js';
import { openStored, type Stored } from '../../src/commands/demo/stored.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

const sample: SampleOptions = {
  messages: 120,
  from: new Date('2024-10-01T00:00:00Z'),
  to: new Date('2024-10-02T00:00:00Z'),
  prefix: freshIndexPrefix(),
};
const { messages, ...related } = sampleIndices(sample.prefix);
const never = new AbortController().signal;
let stored: Stored;
let chosen: Chosen[];
let ids: string[];

beforeAll(async () => {
  const { elasticsearch, s3 } = sandbox();
  await createSampleIndices(elasticsearch.url, sample.prefix);
  await loadSample(elasticsearch.url, sample);
  const project = await makeProject({ indices: sample.prefix ?? '' });
  const flags = ['--from', '2024-10-01', '--to', '2024-10-01'];
  const { code, stderr } = await runBinary(['run', ...flags], project);
  expect(code, stderr).toBe(0);
  chosen = chooseMessages(sample, 50);
  ids = chosen.map(({ id }) => id);
  stored = await openStored(project.database, s3);
  return () => stored.close();
});

function compared(which: readonly string[]) {
  const originals = { url: sandbox().elasticsearch.url, messages, related };
  return compare(which, stored, originals, never);
}

test('hostile ids, spoilable numbers and ordinary messages are all among those compared', () => {
  expect(chosen).toHaveLength(50);
  expect(chosen.filter(({ hostile }) => hostile)).toHaveLength(19);
  expect(chosen.some(({ hostile, spoilable }) => !hostile && spoilable)).toBe(true);
  expect(chosen.some(({ hostile, spoilable }) => !hostile && !spoilable)).toBe(true);
  expect(chooseMessages({ ...sample, messages: 7 }, 50)).toHaveLength(7);
});

test('what landed untouched is equal', async () => {
  expect(await compared(ids)).toEqual({ compared: 50, equal: 50, differences: [] });
});

test('every kind of damage is found, and named with its message', async () => {
  const [changed, cut, longer, lost] = ids.slice(-4) as [string, string, string, string];
  const fileOf = async (id: string) => String(await stored.fileOf(id));
  const document = await readFile(await fileOf(changed));
  document[100] = (document[100] ?? 0) ^ 1;
  await writeFile(await fileOf(changed), document);
  const whole = await readFile(await fileOf(cut));
  await writeFile(await fileOf(cut), whole.subarray(0, whole.length - 1));
  const { size: length } = await stat(await fileOf(longer));
  await appendFile(await fileOf(longer), '\n');
  await rm(await fileOf(lost));
  const result = await compared([...ids, 'never migrated']);
  expect(result).toMatchObject({ compared: 51, equal: 46 });
  expect(new Set(result.differences)).toEqual(
    new Set([
      `${JSON.stringify(changed)}: its object differs from byte 100 on`,
      `${JSON.stringify(cut)}: its object differs from byte ${whole.length - 1} on`,
      `${JSON.stringify(longer)}: its object differs from byte ${length} on`,
      `${JSON.stringify(lost)}: its object can't be read (ENOENT)`,
      '"never migrated": MySQL has no completed row for it',
    ]),
  );
});
