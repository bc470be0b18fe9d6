import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { onTestFinished } from 'vitest';

/** A relay of TCP before a server: from `damage()` on it changes the last byte of all that comes back. Ends with the test. */
export async function damagingRelay(to: string): Promise<{ port: number; damage(): void }> {
  const { hostname, port } = new URL(to);
  const sockets = new Set<Socket>();
  let damages = false;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    sockets.add(near).add(far);
    const change = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const last = chunk.length - 1;
        if (damages) chunk[last] = (chunk[last] ?? 0) ^ 0x01;
        done(null, chunk);
      },
    });
    pipeline(near, far).catch(() => undefined);
    pipeline(far, change, near).catch(() => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, damage: () => (damages = true) };
}
