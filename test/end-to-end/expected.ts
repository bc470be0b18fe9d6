/**
 * What has to come out, made from what was put in. This file and its neighbours share no code with the product:
 * they know the documents' bytes because they made them, and the rules because the contract says so.
 */
import { createHash } from 'node:crypto';
import { sampleDocuments, sampleIndices, type SampleOptions } from '../../sandbox/sample.js';

export interface Expected {
  readonly index: string;
  readonly id: string;
  readonly document: string;
}

interface Record_ {
  readonly index: string;
  readonly id: string;
  readonly source: string;
  readonly at: number;
}

/** The documents of a sample, by index and id. */
export function expectedDocuments(options: SampleOptions): Map<string, Expected> {
  const names = sampleIndices(options.prefix);
  const messages: { id: string; source: string }[] = [];
  const related = new Map<string, Record_[]>();
  for (const { index, id, source } of sampleDocuments(options)) {
    if (index === names.messages) {
      messages.push({ id, source });
      continue;
    }
    const { message_id, at } = JSON.parse(source) as { message_id: string; at?: string };
    const key = `${index}\n${message_id}`;
    // A record without the sort field comes last.
    const sortedBy = at === undefined ? Infinity : Date.parse(at);
    related.set(key, [...(related.get(key) ?? []), { index, id, source, at: sortedBy }]);
  }
  const list = (index: string, id: string) =>
    (related.get(`${index}\n${id}`) ?? [])
      .sort((a, b) => a.at - b.at || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)))
      .map(({ source }) => oneLine(source))
      .join(',');
  const expected = new Map<string, Expected>();
  for (const { id, source } of messages) {
    const document =
      `{"message_id":${JSON.stringify(id)},"index":${JSON.stringify(names.messages)},"message":${oneLine(source)},` +
      `"history":[${list(names.history, id)}],"status":[${list(names.status, id)}],"audit":[${list(names.audit, id)}]}`;
    expected.set(`${names.messages}\n${id}`, { index: names.messages, id, document });
  }
  return expected;
}

function oneLine(json: string): string {
  return json.replace(/[\r\n]/g, ' ');
}

/** The key of a message's object, as the contract has it. */
export function expectedKey(id: string, target: 's3' | 'file', index?: string): string {
  const bytes = Buffer.from(id, 'utf8');
  let name = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    name += /[A-Za-z0-9._-]/.test(char)
      ? char
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  if (id === '.' || id === '..') name = name.replaceAll('.', '%2E');
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (`${name}.json`.length > 200) name = `~${hash}`;
  const between = target === 'file' ? `${hash.slice(0, 2)}/${hash.slice(2, 4)}/` : '';
  return `messages/${index === undefined ? '' : `${index}/`}${between}${name}.json`;
}
