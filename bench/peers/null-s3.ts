/**
 * An S3 that answers after MS, at once unless given: what is put is gone, but for a prefix's marker, without which nobody writes
 * there. Started by support/server.ts.
 *
 *   null-s3.js [MS]
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const MARKER = '_es-migrate.json';
const ETAG = '"d41d8cd98f00b204e9800998ecf8427e"';
const XML = { 'content-type': 'application/xml' };
const delayMs = Number(process.argv[2] ?? 0);
const markers = new Map<string, Buffer>();

const server = createServer((request, response) => {
  const { method, url = '' } = request;
  const [path = ''] = url.split('?');
  const isMarker = path.endsWith(MARKER);
  const chunks: Buffer[] = [];
  if (isMarker) request.on('data', (chunk: Buffer) => chunks.push(chunk));
  else request.resume();
  const answer = () => {
    if (method === 'PUT') {
      if (markers.has(path) && request.headers['if-none-match'] !== undefined) {
        refuse(response.writeHead(412, XML), 'PreconditionFailed');
        return;
      }
      if (isMarker) markers.set(path, Buffer.concat(chunks));
      response.setHeader('etag', ETAG).end();
    } else if (method === 'GET' && isMarker) {
      const marker = markers.get(path);
      if (marker) response.setHeader('etag', ETAG).end(marker);
      else refuse(response.writeHead(404, XML), 'NoSuchKey');
    } else if (method === 'GET') {
      response.end(
        '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>',
      );
    } else response.writeHead(method === 'DELETE' ? 204 : 404).end();
  };
  // Each request waits as long, however many there are at once: that is distance.
  request.on('end', delayMs > 0 ? () => setTimeout(answer, delayMs) : answer);
});

function refuse(response: { end(body: string): void }, code: string): void {
  response.end(`<Error><Code>${code}</Code><Message>No.</Message></Error>`);
}

server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send?.((server.address() as AddressInfo).port);
process.on('disconnect', () => process.exit());
