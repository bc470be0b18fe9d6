import { createConnection, createServer, type Socket } from 'node:net';
import { listen } from './listener.js';

/** What becomes of bytes that a client sends; undefined lets them pass. */
export type ClientRule = (bytes: Buffer) => 'cut' | 'pass-and-cut' | undefined;

export interface TcpProxy {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** How often a rule cut a connection. */
  readonly cuts: number;
  /**
   * Looks at what clients send, chunk by chunk. `cut`: the server never gets it. `pass-and-cut`: the server gets it, and
   * the client never hears of it.
   */
  use(rule: ClientRule): void;
  /** New connections lead elsewhere from now on; those there are stay where they are. */
  redirect(upstream: Upstream): void;
  /** Resets every connection there is. */
  cut(): void;
  /** Connections stay, new ones are accepted, and nothing passes any more in either direction. */
  stall(): void;
  /** As a router forgets connections nobody used for long: they stay, and nothing passes on them; new ones are well. */
  forget(): void;
  /** What was held goes on its way. */
  resume(): void;
  /** The port is closed, and every connection reset. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

export interface Upstream {
  readonly host: string;
  readonly port: number;
}

/**
 * Stands before a server that speaks something else than HTTP.
 *
 * @param at another loopback address, or a port of the caller's choice
 */
export async function startTcpProxy(
  upstream: Upstream,
  at: { readonly port?: number; readonly address?: string } = {},
): Promise<TcpProxy> {
  let { host, port } = upstream;
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let rule: ClientRule = () => undefined;
  let stalled = false;
  let accepted = 0;
  let cuts = 0;

  const server = createServer((client) => {
    accepted += 1;
    const onward = createConnection({ host, port });
    const pair = { client, server: onward };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      onward.destroy();
    };
    client.on('data', (bytes: Buffer) => {
      const verdict = rule(bytes);
      if (verdict === undefined) {
        onward.write(bytes);
        return;
      }
      cuts += 1;
      if (verdict === 'pass-and-cut') {
        // The answer is proof that the server has done what it was sent.
        onward.removeAllListeners('data');
        onward.once('data', () => {
          client.resetAndDestroy();
          onward.destroy();
        });
        onward.write(bytes);
      } else {
        client.resetAndDestroy();
        onward.destroy();
      }
    });
    onward.on('data', (bytes: Buffer) => client.write(bytes));
    for (const socket of [client, onward]) socket.on('error', end).on('close', end);
    if (stalled) pause(pair);
  });
  const listener = await listen(server, at);
  const cut = () => {
    for (const { client, server: onward } of pairs) {
      client.resetAndDestroy();
      onward.destroy();
    }
  };
  const down = async () => {
    await listener.refuse();
    cut();
  };
  return {
    port: listener.port,
    get accepted() {
      return accepted;
    },
    get cuts() {
      return cuts;
    },
    use: (other) => (rule = other),
    redirect: (other) => ({ host, port } = other),
    cut,
    stall: () => {
      stalled = true;
      pairs.forEach(pause);
    },
    forget: () => pairs.forEach(pause),
    resume: () => {
      stalled = false;
      for (const { client, server: onward } of pairs) {
        client.resume();
        onward.resume();
      }
    },
    down,
    up: () => listener.accept(),
    close: down,
  };
}

function pause({ client, server }: { client: Socket; server: Socket }): void {
  client.pause();
  server.pause();
}
