/**
 * An S3 that answers at once: what is put is gone, but for a prefix's marker, without which nobody writes there. Started by
 * support/server.ts.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const MARKER = '_es-migrate.json';
const ETAG = '"d41d8cd98f00b204e9800998ecf8427e"';
const markers = new Map<string, Buffer>();

const server = createServer((request, response) => {
  const { method, url = '' } = request;
  const [path = ''] = url.split('?');
  const isMarker = path.endsWith(MARKER);
  const chunks: Buffer[] = [];
  if (isMarker) request.on('data', (chunk: Buffer) => chunks.push(chunk));
  else request.resume();
  request.on('end', () => {
    if (method === 'PUT') {
      if (isMarker) markers.set(path, Buffer.concat(chunks));
      response.setHeader('etag', ETAG).end();
    } else if (method === 'GET' && isMarker) {
      const marker = markers.get(path);
      if (marker) response.setHeader('etag', ETAG).end(marker);
      else refuse(response.writeHead(404, { 'content-type': 'application/xml' }));
    } else if (method === 'GET') {
      response.end(
        '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>',
      );
    } else response.writeHead(method === 'DELETE' ? 204 : 404).end();
  });
});

function refuse(response: { end(body: string): void }): void {
  response.end(
    '<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>',
  );
}

server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send?.((server.address() as AddressInfo).port);
process.on('disconnect', () => process.exit());
