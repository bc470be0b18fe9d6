import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { onTestFinished } from 'vitest';

export interface HoldingProxy {
  readonly endpoint: string;
  /** How often each object was put, by path. */
  readonly puts: ReadonlyMap<string, number>;
  /** Resolves when an upload is held. */
  readonly held: Promise<void>;
  /** Lets what was held go on to the server; resolves with the server's answer to it. */
  release(): Promise<number>;
}

/**
 * Stands before S3, as a network that delivers late: the first object put is taken from the client, byte for byte, and held
 * before its first byte, or before the second half of its body, until it is released, whatever has become of the client.
 */
export async function holdingProxy(
  upstream: string,
  hold: 'nothing' | 'all' | 'second half',
): Promise<HoldingProxy> {
  const puts = new Map<string, number>();
  const held = signal();
  const released = signal();
  let answered: (status: number) => void;
  const answer = new Promise<number>((resolve) => (answered = resolve));
  let holds = hold !== 'nothing';

  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming;
    const isObject = method === 'PUT' && /\/(messages|batches)\//.test(url);
    if (isObject) puts.set(url, (puts.get(url) ?? 0) + 1);
    // Node has answered 100-continue itself by now.
    const onward = { ...headers };
    delete onward.expect;
    const open = () => request(new URL(url, upstream), { method, headers: onward });
    if (!isObject || !holds) {
      const forwarded = open().on('response', (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        pipeline(response, outgoing).catch(() => outgoing.destroy());
      });
      pipeline(incoming, forwarded).catch(() => outgoing.destroy());
      return;
    }
    holds = false;
    const late = async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const early = hold === 'second half' ? Math.floor(body.length / 2) : 0;
      const forwarded = early > 0 ? open() : undefined;
      if (forwarded)
        await new Promise((resolve) => forwarded.write(body.subarray(0, early), resolve));
      held.resolve();
      await released.promise;
      const rest = forwarded ?? open();
      rest.on('error', () => answered(0));
      rest.on('response', (response) => {
        answered(response.statusCode ?? 0);
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        pipeline(response, outgoing).catch(() => outgoing.destroy());
      });
      rest.end(body.subarray(early));
    };
    late().catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    puts,
    held: held.promise,
    release: () => {
      released.resolve();
      return answer;
    },
  };
}

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
