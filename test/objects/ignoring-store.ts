import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { onTestFinished } from 'vitest';

/**
 * Stands before a real S3 as a store that ignores `If-None-Match` and `If-Match` of objects in one piece: it writes them all the
 * same, by a client of its own, and answers as if the condition had been met. Ends with the test.
 */
export async function ignoringStore(
  upstream: string,
  client: S3Client,
): Promise<{
  readonly endpoint: string;
  /** Keys whose condition was ignored, in order. */
  readonly ignored: readonly string[];
}> {
  const ignored: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming;
    const { pathname } = new URL(url, upstream);
    const [Bucket, ...path] = pathname.slice(1).split('/');
    const isConditional = (headers['if-none-match'] ?? headers['if-match']) !== undefined;
    if (method === 'PUT' && isConditional) {
      const write = async () => {
        const Body = await buffer(incoming);
        const Key = decodeURIComponent(path.join('/'));
        ignored.push(Key);
        const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body }));
        outgoing.writeHead(200, { etag: ETag }).end();
      };
      write().catch(() => outgoing.destroy());
      return;
    }
    const onward = { ...headers };
    // Node has answered 100-continue itself by now.
    delete onward.expect;
    const forwarded = request(new URL(url, upstream), { method, headers: onward }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      pipeline(response, outgoing).catch(() => outgoing.destroy());
    });
    pipeline(incoming, forwarded).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, ignored };
}
