import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

/** A search as it was sent. */
export interface RecordedSearch {
  readonly path: string;
  readonly body: string;
}

export interface Recorder {
  readonly url: string;
  /** Every search that carried a body, in the order of arrival. */
  readonly searches: readonly RecordedSearch[];
  /** Most of them at once. */
  readonly atOnce: number;
  close(): Promise<void>;
}

/** Passes everything on to Elasticsearch and remembers the searches, so that they can be repeated without us. */
export async function startRecorder(elasticsearchUrl: string): Promise<Recorder> {
  const pool = new Pool(elasticsearchUrl, { connections: 256 });
  const searches: RecordedSearch[] = [];
  let now = 0;
  let atOnce = 0;
  const server = createServer((request, response) => {
    void (async () => {
      const body = await textOf(request);
      const { method = 'GET', url: path = '/', headers } = request;
      const isSearch = /\/_(search|msearch)\b/.test(path) && body !== '';
      if (isSearch) {
        searches.push({ path, body });
        now += 1;
        atOnce = Math.max(atOnce, now);
      }
      const answer = await pool.request({
        method: method,
        path,
        headers: { 'content-type': headers['content-type'] ?? 'application/json' },
        ...(body !== '' && { body }),
      });
      response.writeHead(answer.statusCode, answer.headers as Record<string, string>);
      response.end(Buffer.from(await answer.body.arrayBuffer()));
      if (isSearch) now -= 1;
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    searches,
    get atOnce() {
      return atOnce;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await pool.destroy();
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
