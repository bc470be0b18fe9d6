import { randomBytes } from 'node:crypto';
import { bulkIndex, send } from '../../sandbox/sample/bulk.js';
import type { SampleDocument } from '../../sandbox/sample/documents.js';
import { createSampleIndices, sampleIndices } from '../../sandbox/sample.js';
import { FROM, type Sample } from './world.js';

/** Messages of `bytes` each, without related records. */
export async function loadLargeMessages(
  url: string,
  messages: number,
  bytes: number,
): Promise<Sample> {
  const prefix = 'large-';
  await createSampleIndices(url, prefix);
  const indices = sampleIndices(prefix);
  for (let number = 0; number < messages; number += 1) {
    // One at a time: Elasticsearch holds each of them several times. Random, so that it doesn't compress to nothing.
    const attachment = randomBytes(bytes / 2).toString('hex');
    const source = messageSource(number, `,"attachment":"${attachment}"`);
    await send(url, `${indices.messages}/_doc/large-${number}`, 'PUT', source);
  }
  await send(url, `${prefix}*/_refresh`, 'POST');
  return { messages, related: 0, prefix, indices };
}

/** Messages with `records` records of history each. */
export async function loadLongLists(
  url: string,
  messages: number,
  records: number,
): Promise<Sample> {
  const prefix = 'long-';
  await createSampleIndices(url, prefix);
  const indices = sampleIndices(prefix);
  const documents = function* (): Generator<SampleDocument> {
    for (let number = 0; number < messages; number += 1) {
      yield { index: indices.messages, id: `long-${number}`, source: messageSource(number, '') };
      for (let record = 0; record < records; record += 1) {
        const at = new Date(FROM.getTime() + record * 1000).toISOString();
        const source = `{"message_id":"long-${number}","at":"${at}","event":"delayed","node":"worker-${record % 12}","took":${record}.50}`;
        yield { index: indices.history, id: `long-${number}-${record}`, source };
      }
    }
  };
  await bulkIndex(url, documents());
  await send(url, `${prefix}*/_refresh`, 'POST');
  return { messages, related: messages * records, prefix, indices };
}

function messageSource(number: number, more: string): string {
  const at = new Date(FROM.getTime() + number * 1000).toISOString();
  return `{"timestamp":"${at}","channel":"sms"${more}}`;
}
