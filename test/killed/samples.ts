import { randomBytes } from 'node:crypto';
import { createSampleIndices, loadSample, sampleIndices } from '../../sandbox/sample.js';
import { expectedDocuments, type Expected } from '../end-to-end/expected.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

/** Messages that are there, and what has to become of them. */
export interface Sample {
  /** Stands before the indices' names. */
  readonly indices: string;
  readonly range: readonly string[];
  readonly expected: ReadonlyMap<string, Expected>;
}

const OPTIONS = {
  from: new Date('2024-10-01T00:00:00Z'),
  to: new Date('2024-10-08T00:00:00Z'),
};
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-07'];

/** Messages with related records and hostile ids, over a week. */
export async function loadSmall(messages: number): Promise<Sample> {
  const indices = freshIndexPrefix();
  const options = { ...OPTIONS, messages, prefix: indices };
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, indices);
  await loadSample(url, options);
  return { indices, range: RANGE, expected: expectedDocuments(options) };
}

/** Of random text: compressed, too, it goes up in parts. */
const HEAVY_BYTES = 12 << 20;

/** A few messages, one of them too large for any page and for one request. */
export async function loadLarge(): Promise<Sample> {
  const indices = freshIndexPrefix();
  const { url } = sandbox().elasticsearch;
  await createSampleIndices(url, indices);
  const index = sampleIndices(indices).messages;
  const expected = new Map<string, Expected>();
  for (let i = 0; i < 12; i += 1) {
    const id = `message-${i}`;
    const text = randomBytes(i === 7 ? HEAVY_BYTES : 30).toString('base64');
    const source = `{"timestamp":"2024-10-0${(i % 7) + 1}T10:00:00Z","n":1.10,"text":"${text}"}`;
    const answer = await fetch(`${url}/${index}/_doc/${id}?refresh=true`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: source,
    });
    if (!answer.ok) throw new Error(await answer.text());
    const document = `{"message_id":"${id}","index":"${index}","message":${source},"history":[],"status":[],"audit":[]}`;
    expected.set(`${index}\n${id}`, { index, id, document });
  }
  return { indices, range: RANGE, expected };
}
