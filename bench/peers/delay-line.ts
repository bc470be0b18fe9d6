/**
 * Passes TCP on to HOST:PORT and holds back every answer for MS: the same wait for each request, however many there are
 * at once. Started by support/server.ts.
 *
 *   delay-line.js HOST PORT MS
 */
import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo } from 'node:net';

const [host = '', port = '', delay = ''] = process.argv.slice(2);
const server = createServer((client) => {
  const upstream = createConnection({ host, port: Number(port) });
  client.pipe(upstream);
  upstream.on('data', (chunk) => {
    setTimeout(() => client.write(chunk), Number(delay));
  });
  upstream.on('close', () => setTimeout(() => client.destroy(), Number(delay)));
  client.on('close', () => upstream.destroy());
  for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send?.((server.address() as AddressInfo).port);
process.on('disconnect', () => process.exit());
