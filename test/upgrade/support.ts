import { createSampleIndices, loadSample } from '../../sandbox/sample.js';
import { bulkIndex } from '../../sandbox/sample/bulk.js';
import { expectedDocuments, type Expected } from '../end-to-end/expected.js';

import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

/** Messages of a week, 1 to 7 October 2024, with their related records. */
export interface Week {
  /** Stands before the indices' names. */
  readonly indices: string;
  readonly expected: ReadonlyMap<string, Expected>;
}

export async function loadWeek(messages: number): Promise<Week> {
  const { url } = sandbox().elasticsearch;
  const prefix = freshIndexPrefix();
  const from = new Date('2024-10-01T00:00:00Z');
  const options = { messages, from, to: new Date('2024-10-08T00:00:00Z'), prefix };
  await createSampleIndices(url, prefix);
  await loadSample(url, options);
  return { indices: prefix, expected: expectedDocuments(options) };
}

/** `--from` and `--to` of days of October 2024, both included. */
export function days(first: number, last = first): string[] {
  return ['--from', `2024-10-0${first}`, '--to', `2024-10-0${last}`];
}

/**
 * Deletes messages at the source.
 *
 * @returns what indexes them again, as they were
 */
export async function deleteMessages(
  week: Week,
  ids: readonly string[],
): Promise<() => Promise<void>> {
  const { url } = sandbox().elasticsearch;
  const index = `${week.indices}messages`;
  const documents: { index: string; id: string; source: string }[] = [];
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(`${url}/${index}/${path}`, { method });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
    return answer.text();
  };
  for (const id of ids) {
    const name = encodeURIComponent(id);
    documents.push({ index, id, source: await ask(`_source/${name}`) });
    await ask(`_doc/${name}?refresh=true`, 'DELETE');
  }
  return async () => {
    await bulkIndex(url, documents);
    await ask('_refresh', 'POST');
  };
}
