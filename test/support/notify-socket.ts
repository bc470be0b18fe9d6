import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { program } from '../../sandbox/prerequisites.js';
import { until } from './until.js';

const RECEIVER = fileURLToPath(new URL('notify-socket.py', import.meta.url));

/** What it needs on the machine. Node has no datagram sockets of Unix. */
export const PYTHON = program('python3', 'Python 3', ['python3']);

/** A socket such as systemd's, to which a service says how it is. */
export interface NotifySocket {
  readonly path: string;
  /** Each word that arrived, in order, such as `READY=1`. */
  words(): readonly string[];
}

/** Opens one for the test that is running. */
export async function openNotifySocket(): Promise<NotifySocket> {
  const path = join(await mkdtemp(join(tmpdir(), 'n-')), 'notify');
  const receiver = spawn('python3', [RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void receiver.kill());
  const received: string[] = [];
  createInterface(receiver.stdout).on('line', (line) => received.push(JSON.parse(line) as string));
  await until(() => received.length > 0, 'the socket');
  // systemd-notify asks by BARRIER=1 whether all before it has been read.
  const words = () =>
    received
      .slice(1)
      .flatMap((text) => text.split('\n').filter((word) => word && word !== 'BARRIER=1'));
  return { path, words };
}
