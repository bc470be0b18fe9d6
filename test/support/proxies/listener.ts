import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';

/** A server on 127.0.0.1, or another loopback address, whose port can be closed for a while and opened again. */
export interface Listener {
  readonly port: number;
  /** Connections are refused from now on; those there are stay. */
  refuse(): Promise<void>;
  /** The same port again. */
  accept(): Promise<void>;
}

export async function listen(
  server: Server,
  at: { readonly port?: number; readonly address?: string } = {},
): Promise<Listener> {
  const on = async (port: number) => {
    server.listen(port, at.address ?? '127.0.0.1');
    await once(server, 'listening');
  };
  await on(at.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    refuse: () => {
      // Not awaited: it ends when the last connection does.
      server.close();
      return Promise.resolve();
    },
    accept: () => on(port),
  };
}
