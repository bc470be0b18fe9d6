import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { usage } from '../src/core/errors.js';
import { spawnGuarded, type Guarded } from './guard.js';
import { indented, lastLines } from './tool.js';

/** How one attempt at starting a server looks. */
export interface Launch<Coordinates> {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** True once this very server (not another that took its port) answers; may throw until then. */
  ready(): Promise<boolean>;
  readonly coordinates: Coordinates;
}

export interface Started<Coordinates> {
  readonly coordinates: Coordinates;
  readonly process: Guarded;
  /**
   * Starts the same server once more, on the data, ports and credentials it had; only after its process has ended.
   *
   * @throws MigrateError `usage` as `startServer`
   */
  again(): Promise<Guarded>;
}

const ATTEMPTS = 4;
const POLL_MS = 100;
const READY_WITHIN_MS = 180_000;
const PORT_TAKEN = /address already in use|BindHttpException|BindTransportException|BindException/i;

/**
 * Starts a server and waits until it answers. Where another process took its port in between, it tries
 * again with other ports in a new home.
 *
 * @param sandbox the sandbox's temporary directory.
 * @param prepare fills the server's home directory and says how to start it; called once per attempt.
 * @throws MigrateError `usage` with the end of the server's log when it dies or doesn't answer within 3 minutes; the
 *   reason of `stop`, once the server is gone.
 */
export async function startServer<Coordinates>(
  sandbox: string,
  name: string,
  prepare: (home: string) => Promise<Launch<Coordinates>>,
  stop?: AbortSignal,
): Promise<Started<Coordinates>> {
  for (let attempt = 1; ; attempt++) {
    const home = join(sandbox, 'servers', `${name}-${attempt}`);
    await mkdir(home, { recursive: true });
    const launch = await prepare(home);
    const server = await spawnGuarded(home, launch.command, launch.args, launch.env);
    const failure = await untilReady(server, launch, stop);
    if (failure === undefined) {
      const again = restarts(sandbox, name, launch);
      return { coordinates: launch.coordinates, process: server, again };
    }
    const log = await server.log();
    await server.stop();
    stop?.throwIfAborted();
    if (attempt < ATTEMPTS && PORT_TAKEN.test(log)) continue;
    throw notReady(name, failure, log);
  }
}

/** Each start has a home of its own for its log; the first one's keeps the data. */
function restarts(sandbox: string, name: string, launch: Launch<unknown>): () => Promise<Guarded> {
  let count = 0;
  return async () => {
    count += 1;
    const home = join(sandbox, 'servers', `${name}-again-${count}`);
    await mkdir(home, { recursive: true });
    const server = await spawnGuarded(home, launch.command, launch.args, launch.env);
    const failure = await untilReady(server, launch, undefined);
    if (failure === undefined) return server;
    const log = await server.log();
    await server.stop();
    throw notReady(name, failure, log);
  };
}

function notReady(name: string, failure: string, log: string): Error {
  return usage(`the sandbox's ${name} ${failure}${indented(lastLines(log))}`.split('\n'));
}

/** What went wrong, or nothing. */
async function untilReady(
  server: Guarded,
  launch: Launch<unknown>,
  stop: AbortSignal | undefined,
): Promise<string | undefined> {
  const deadline = Date.now() + READY_WITHIN_MS;
  const ended = server.ended.then((code) => `ended with code ${code} while starting`);
  while (Date.now() < deadline) {
    const outcome = await Promise.race([ended, launch.ready().catch(() => false)]);
    if (typeof outcome === 'string') return outcome;
    if (outcome) return undefined;
    if (stop?.aborted) return 'was stopped';
    await delay(POLL_MS);
  }
  return `did not answer within ${READY_WITHIN_MS / 1000} s`;
}
