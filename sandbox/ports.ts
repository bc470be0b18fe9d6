import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/**
 * `count` different TCP ports that were free on 127.0.0.1 a moment ago. Somebody else may be faster,
 * so whoever uses them tries again with others when the server can't bind.
 */
export async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = createServer().listen(0, '127.0.0.1');
      await once(holder, 'listening');
      return holder;
    }),
  );
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port);
  await Promise.all(
    holders.map(async (holder) => {
      holder.close();
      await once(holder, 'close');
    }),
  );
  return ports;
}
