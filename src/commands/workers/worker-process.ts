import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Carried } from '../../core/process/types.js';
import type { RunEvent } from '../../core/run.js';
import type { Notice, Order, Start } from './messages.js';
import { fromPlain } from './plain-error.js';

const ENTRY = fileURLToPath(new URL('./worker.js', import.meta.url));
/** What is kept of a worker's last words, in characters. */
const LAST_WORDS = 16_384;

/** How a worker ended. */
export type WorkerEnd =
  | { readonly kind: 'done'; readonly carried: Carried }
  /** `stopping`: after it had been told to stop, by whomever. */
  | { readonly kind: 'failed'; readonly error: Error; readonly stopping: boolean }
  /** By SIGINT or SIGTERM, before it was ready to take them: it had claimed nothing. */
  | { readonly kind: 'stopped' }
  /** Without a word of its own; `how` says what is known of it, as in `was killed by SIGKILL`. */
  | { readonly kind: 'died'; readonly how: string }
  | { readonly kind: 'not-started'; readonly why: string };

export interface WorkerProcess {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  /** Finishes or releases what is in flight, and claims nothing more. */
  stop(): void;
  /** At once. */
  kill(): void;
  readonly ended: Promise<WorkerEnd>;
}

/**
 * Starts a worker. It shares this process's environment and folder; its settings reach it by the pipe between the two,
 * never by its command line. It writes nothing: what it says arrives at `onEvent`.
 */
export function startWorker(start: Start, onEvent: (event: RunEvent) => void): WorkerProcess {
  const child = fork(ENTRY, [], {
    // Also because JSON would send the masks of secrets in their place.
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let end: WorkerEnd | undefined;
  let lastWords = '';
  child.stderr
    ?.setEncoding('utf8')
    .on('data', (text: string) => (lastWords = (lastWords + text).slice(-LAST_WORDS)));
  child.on('message', (notice: Notice) => {
    if (notice.type === 'events') for (const event of notice.events) onEvent(event);
    else if (notice.type === 'done') end = { kind: 'done', carried: notice.carried };
    else end = { kind: 'failed', error: fromPlain(notice.error), stopping: notice.stopping };
  });
  const ended = new Promise<WorkerEnd>((resolve) => {
    child.on('error', ({ message }) => {
      if (child.pid === undefined) resolve({ kind: 'not-started', why: message });
    });
    // Not `exit`: its last message may still be on the way then.
    child.on('close', (code, signal) => resolve(end ?? unannounced(code, signal, lastWords)));
  });
  const send = (order: Order): void => {
    // One that has just ended says so by itself.
    if (child.connected) child.send(order, () => undefined);
  };
  send(start);
  return {
    pid: child.pid,
    stop: () => send({ type: 'stop' }),
    kill: () => void child.kill('SIGKILL'),
    ended,
  };
}

function unannounced(
  code: number | null,
  signal: NodeJS.Signals | null,
  lastWords: string,
): WorkerEnd {
  if (signal === 'SIGINT' || signal === 'SIGTERM') return { kind: 'stopped' };
  const how = signal === null ? `ended with exit code ${code ?? 0}` : `was killed by ${signal}`;
  const reason = /FATAL ERROR: (.*)/.exec(lastWords)?.[1];
  return { kind: 'died', how: reason === undefined ? how : `${how} (${reason})` };
}
