import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';

export interface FailingServer {
  readonly url: string;
  close(): void;
}

/** Stands before a server and answers 503 to the requests that match `METHOD /path`; all others it passes on. */
export async function startFailing(upstream: string, failing: RegExp): Promise<FailingServer> {
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming;
    if (failing.test(`${method} ${url}`)) {
      incoming.resume();
      outgoing.writeHead(503, { 'content-type': 'text/plain' }).end();
      return;
    }
    // Node has answered 100-continue itself by now.
    const onward = { ...headers };
    delete onward.expect;
    const forwarded = request(new URL(url, upstream), { method, headers: onward }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, outgoing).catch(() => outgoing.destroy());
    });
    pipeline(incoming, forwarded).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
