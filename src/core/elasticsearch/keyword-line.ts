import type { RelatedSettings } from '../settings.js';
import { fieldCapsAnswer, typesOf, type FieldCaps } from './field-caps.js';
import type { ConcreteIndices } from './index-metadata.js';
import { requirePaired } from './join.js';
import { indexPath } from './query.js';
import type { Requests } from './requests.js';
import { writtenEntry } from './written-join.js';

/**
 * The entry with keyword fields in the place of text that has one inside, as Elasticsearch maps strings unless told otherwise:
 * on both sides, so that one correction is enough.
 *
 * @returns undefined where there is no such field
 */
export async function keywordLine(
  requests: Requests,
  settings: RelatedSettings,
  messages: ConcreteIndices,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { name, index, join } = settings;
  const first = messages.indices[0] ?? '';
  const related = typeof index === 'string' ? index : requirePaired(name, index, first);
  const ons = join.map(({ on }) => on);
  const keys = join.map(({ key }) => key);
  const onsAsKeywords = await asKeywords(requests, messages.index, ons, signal);
  const keysAsKeywords = await asKeywords(requests, related, keys, signal);
  const better = join.map(({ key, on }) => ({
    key: keysAsKeywords.get(key) ?? key,
    on: onsAsKeywords.get(on) ?? on,
  }));
  const isSame = better.every(({ key, on }, i) => key === keys[i] && on === ons[i]);
  return isSame ? undefined : writtenEntry(settings, better);
}

/** Of fields that are text: a keyword field with the same value. */
async function asKeywords(
  requests: Requests,
  index: string,
  fields: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const caps = await requests.json(
    {
      method: 'GET',
      path: `/${indexPath(index)}/_field_caps`,
      query: {
        fields: fields.flatMap((field) => [field, `${field}.*`]).join(','),
        allow_no_indices: true,
        ignore_unavailable: true,
      },
      signal,
    },
    fieldCapsAnswer,
  );
  const found = fields.flatMap((field): [string, string][] => {
    if (!typesOf(caps, field).some(({ type }) => type === 'text')) return [];
    const keywords = Object.keys(caps.fields).filter(
      (one) => one.startsWith(`${field}.`) && isUsable(caps, one),
    );
    const [best] = keywords.sort(
      (a, b) => Number(b === `${field}.keyword`) - Number(a === `${field}.keyword`),
    );
    return best === undefined ? [] : [[field, best]];
  });
  return new Map(found);
}

function isUsable(caps: FieldCaps, field: string): boolean {
  return typesOf(caps, field).every(
    ({ type, searchable, aggregatable }) => type === 'keyword' && searchable && aggregatable,
  );
}
