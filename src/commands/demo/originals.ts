/**
 * What has to stand in the target, made from Elasticsearch by the plainest requests there are and by nothing of the
 * product: one `GET INDEX/_source/ID` per document, and searches that return ids only.
 */
export interface Originals {
  /** Elasticsearch's URL. */
  readonly url: string;
  readonly messages: string;
  /** Index of each related array, in the order in which the arrays stand. */
  readonly related: Readonly<Record<string, string>>;
}

interface Hit {
  readonly _id: string;
  /** Milliseconds; the largest long there is where the record has no instant. */
  readonly sort: readonly [number];
}

/** More than any message of a sample has in one index; Elasticsearch allows 10,000. */
const MOST_RECORDS = 1_000;

/** The document of one message, by the rules of the contract. */
export async function expectedDocument(from: Originals, id: string): Promise<Buffer> {
  const arrays = Object.entries(from.related).map(async ([name, index]) => {
    const ids = await recordIds(from.url, index, id);
    const sources = await Promise.all(ids.map((record) => source(from.url, index, record)));
    return [Buffer.from(`,${JSON.stringify(name)}:[`), ...separated(sources), Buffer.from(']')];
  });
  return Buffer.concat([
    Buffer.from(`{"message_id":${JSON.stringify(id)},"index":${JSON.stringify(from.messages)}`),
    Buffer.from(',"message":'),
    await source(from.url, from.messages, id),
    ...(await Promise.all(arrays)).flat(),
    Buffer.from('}'),
  ]);
}

/** The bytes of a source, on one line. */
async function source(url: string, index: string, id: string): Promise<Buffer> {
  const response = await fetch(`${url}/${index}/_source/${encodeURIComponent(id)}`);
  if (!response.ok) throw new Error(`GET ${response.url} answered ${response.status}`);
  // In latin1 each byte is a character, and comes back as the same byte.
  const text = Buffer.from(await response.arrayBuffer()).toString('latin1');
  return Buffer.from(text.replace(/[\r\n]/g, ' '), 'latin1');
}

async function recordIds(url: string, index: string, message: string): Promise<string[]> {
  const response = await fetch(`${url}/${index}/_search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      query: { term: { message_id: message } },
      sort: [{ at: { order: 'asc', missing: '_last' } }],
      size: MOST_RECORDS,
      _source: false,
    }),
  });
  if (!response.ok) throw new Error(`POST ${response.url} answered ${response.status}`);
  const { hits } = (await response.json()) as { hits: { hits: Hit[] } };
  return hits.hits
    .sort((a, b) => a.sort[0] - b.sort[0] || Buffer.compare(Buffer.from(a._id), Buffer.from(b._id)))
    .map(({ _id }) => _id);
}

function separated(parts: readonly Buffer[]): Buffer[] {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [Buffer.from(','), part]));
}
