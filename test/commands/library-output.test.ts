import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';

/** One byte, the second half of a packet's number where the first is expected: mysql2 complains of it on stderr by itself. */
const OUT_OF_ORDER = Buffer.from([1, 0, 0, 9, 0x41]);

it('what a library prints by itself is a line of the log like all others', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(OUT_OF_ORDER);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const project = await makeProject({ indices: freshIndexPrefix() });
  await project.configure({
    retryFor: '1s',
    tracking: { url: `mysql://es_migrate@127.0.0.1:${port}/es_migrate` },
  });
  const { code, stderr } = await runBinary(
    ['status', '--log-format', 'json', '--verbose'],
    project,
  );
  expect(code, stderr).toBe(5);
  expect(stderr).toContain('packets out of order');
  for (const line of stderr.trimEnd().split('\n')) expect(JSON.parse(line)).toBeTypeOf('object');
});
