import { createSampleIndices, sampleIndices } from '../../sandbox/sample.js';
import { bulkIndex, send } from '../../sandbox/sample/bulk.js';
import type { Expected } from '../end-to-end/expected.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

export const RANGE = ['--from', '2024-10-01', '--to', '2024-10-07'];

/** Messages of this test's own, which it may change. */
export interface Messages {
  /** Stands before the indices' names. */
  readonly indices: string;
  /** What has to become of them as they are now. */
  readonly expected: ReadonlyMap<string, Expected>;
  /** Indexes them all again, with other bytes. */
  change(): Promise<Messages>;
}

export interface MessagesOptions {
  readonly count: number;
  /** Of each message's text. */
  readonly bytes?: number;
}

export async function loadMessages(options: MessagesOptions): Promise<Messages> {
  const indices = freshIndexPrefix();
  await createSampleIndices(sandbox().elasticsearch.url, indices);
  return load(indices, options, 1);
}

async function load(indices: string, options: MessagesOptions, version: number): Promise<Messages> {
  const { url } = sandbox().elasticsearch;
  const index = sampleIndices(indices).messages;
  const documents = Array.from({ length: options.count }, (_, i) => ({
    index,
    id: `message/${i}`,
    source: `{"timestamp":"2024-10-0${(i % 7) + 1}T10:00:00Z","version":${version}.0,"text":"${String(version).repeat(options.bytes ?? 20)}"}`,
  }));
  await bulkIndex(url, documents);
  await send(url, `${index}/_refresh`, 'POST');
  const expected = documents.map(({ id, source }) => {
    const document = `{"message_id":"${id}","index":"${index}","message":${source},"history":[],"status":[],"audit":[]}`;
    return [`${index}\n${id}`, { index, id, document }] as const;
  });
  return {
    indices,
    expected: new Map(expected),
    change: () => load(indices, options, version + 1),
  };
}
