import type { Action, Answer, Rule, Seen } from '../support/proxies/http-proxy.js';

/** What a request to Elasticsearch is about. */
export type Kind = 'inspect' | 'open' | 'close' | 'page' | 'read';

const KINDS: readonly Kind[] = ['inspect', 'open', 'close', 'page', 'read'];

/** Those that answer as a search does. */
export const SEARCHES: readonly Kind[] = ['page', 'read'];

/** Told by path alone: under a point in time a search names no index. */
export function kindOf({ method, url }: Seen): Kind {
  const path = url.split('?')[0] ?? '';
  if (method === 'DELETE') return 'close';
  if (path.endsWith('/_pit')) return 'open';
  if (path === '/_search') return 'page';
  return path.endsWith('/_search') ? 'read' : 'inspect';
}

/** The first `times` requests of each kind meet the fault, all later ones pass. */
export function firstOfEach(times: number, action: Action, kinds = KINDS): Rule {
  const met = new Map<Kind, number>();
  return (seen) => {
    const kind = kindOf(seen);
    const before = met.get(kind) ?? 0;
    if (!kinds.includes(kind) || before >= times) return undefined;
    met.set(kind, before + 1);
    return action;
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** Elasticsearch's way to refuse a request. */
export function refusedBy(
  status: number,
  type: string,
  headers: Record<string, string> = {},
): Action & Answer {
  const reason = 'said the proxy';
  const error = { root_cause: [{ type, reason }], type, reason };
  const body = JSON.stringify({ error, status });
  return { do: 'answer', status, headers: { ...JSON_TYPE, ...headers }, body };
}

/** Half of the hits are missing, and these members say so; the status is 200. */
export function short(members: object): Action {
  return {
    do: 'change',
    change: (body) => {
      const answer = JSON.parse(body.toString()) as { hits: { hits: unknown[] } };
      const { hits } = answer.hits;
      answer.hits.hits = hits.slice(0, Math.floor(hits.length / 2));
      return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ ...answer, ...members }) };
    },
  };
}

/** The beginning of the answer, with 200 and a length that fits. */
export function truncated(share: number): Action {
  return {
    do: 'change',
    change: (body) => ({
      status: 200,
      headers: JSON_TYPE,
      body: body.subarray(0, Math.floor(body.length * share)),
    }),
  };
}

/** What a gateway says in the server's place. */
export const badGateway: Action = {
  do: 'answer',
  status: 502,
  headers: { 'content-type': 'text/html' },
  body: '<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>',
};

/** S3's way to refuse a request. */
export function refusedByS3(
  status: number,
  code: string,
  headers: Record<string, string> = {},
): Action {
  return {
    do: 'answer',
    status,
    headers: { 'content-type': 'application/xml', ...headers },
    body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>said the proxy</Message></Error>`,
  };
}
