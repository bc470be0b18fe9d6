import { once } from 'node:events';
import { createServer, request, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SecureContextOptions } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface ProxyOptions {
  /** Answers in the server's place; undefined lets the request through. */
  readonly answer?: (
    seen: SeenRequest,
  ) => { status: number; headers?: Record<string, string>; body?: string } | undefined;
  /** Changes what the client sends, chunk by chunk, or holds it back. */
  readonly onBody?: (chunk: Buffer, seen: SeenRequest) => Buffer | Promise<Buffer>;
  /** Hangs up where the server's answer is to be passed on. */
  readonly loseAnswer?: (seen: SeenRequest) => boolean;
  readonly tls?: SecureContextOptions;
}

export interface Proxy {
  readonly endpoint: string;
  readonly requests: readonly SeenRequest[];
  /** Drops every connection there is. */
  readonly cut: () => void;
}

/** Stands before a real server, and ends with the test. */
export async function proxyTo(upstream: string, options: ProxyOptions = {}): Promise<Proxy> {
  const requests: SeenRequest[] = [];
  const forward: RequestListener = (incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming;
    const seen: SeenRequest = { method, url, headers };
    requests.push(seen);
    const answer = options.answer?.(seen);
    if (answer) {
      incoming.resume();
      outgoing.writeHead(answer.status, answer.headers).end(answer.body ?? '');
      return;
    }
    const onwardHeaders = { ...headers };
    // Node has answered 100-continue itself by now.
    delete onwardHeaders.expect;
    const onward = request(
      new URL(url, upstream),
      {
        method,
        headers: onwardHeaders,
      },
      (response) => {
        if (options.loseAnswer?.(seen)) {
          response.resume().on('end', () => outgoing.destroy());
          return;
        }
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        pipeline(response, outgoing).catch(() => outgoing.destroy());
      },
    );
    onward.on('error', () => outgoing.destroy());
    const change = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        Promise.resolve(options.onBody?.(chunk, seen) ?? chunk).then(
          (changed) => done(null, changed),
          (error: unknown) => done(error as Error),
        );
      },
    });
    pipeline(incoming, change, onward).catch(() => onward.destroy());
  };
  const server = options.tls ? createTlsServer(options.tls, forward) : createServer(forward);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const scheme = options.tls ? 'https' : 'http';
  return {
    endpoint: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    cut: () => server.closeAllConnections(),
  };
}
