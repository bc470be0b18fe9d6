import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface PeerServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts one of the servers in bench/peers as a process of its own: it tells its port, and ends when this process does. */
export async function startPeer(name: string, args: readonly string[] = []): Promise<PeerServer> {
  const child = fork(fileURLToPath(new URL(`../peers/${name}.js`, import.meta.url)), [...args]);
  const [port] = (await once(child, 'message')) as [number];
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}
