import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';

/** A tracking database that takes connections and says nothing: the command waits for it. */
let silent: { readonly port: number; readonly connected: Promise<unknown>; close(): void };
let project: Project;

beforeAll(async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  const connected = once(server, 'connection');
  silent = { port: (server.address() as AddressInfo).port, connected, close };
  project = await makeProject({ indices: freshIndexPrefix() });
  await project.configure({
    tracking: { url: `mysql://es_migrate@127.0.0.1:${silent.port}/es_migrate` },
  });
});
afterAll(() => silent.close());

it('SIGUSR1 and SIGUSR2 open no debugger, and no report with the environment is written', async () => {
  const env = { NODE_OPTIONS: '--report-on-signal --report-signal=SIGUSR2' };
  const running = startBinary(['status'], { ...project, env: { ...project.env, ...env } });
  await silent.connected;
  running.child.kill('SIGUSR1');
  running.child.kill('SIGUSR2');
  // Taken after those two.
  running.child.kill('SIGTERM');
  await running.shows(/SIGTERM/);
  running.child.kill('SIGTERM');
  const { stderr } = await running.ended;
  expect(stderr).toMatch(/SIGTERM/);
  expect(stderr).not.toMatch(/Debugger listening/);
  expect((await readdir(project.cwd)).filter((name) => name.startsWith('report'))).toEqual([]);
});
