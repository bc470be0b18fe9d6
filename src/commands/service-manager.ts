import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { oneLine } from '../core/one-line.js';
import type { RunEvent } from '../core/run.js';
import type { Log } from './terminal/log.js';
import { shownLine } from './terminal/printable.js';
import { figures, Stages } from './terminal/progress.js';

/** Who started this process and wants to hear how it is, as sd_notify(3) has it: systemd. */
export interface ServiceManager {
  /** From now on it is told, about twice in each `WATCHDOG_USEC`, that we are alive, and where the stages stand. */
  ready(): void;
  /** Of what is reported the status is made. */
  readonly report: (event: RunEvent) => void;
  /** Ends the signs of life. Resolves once everything has been told, or could not be. */
  stopping(): Promise<void>;
}

export interface ServiceManagerOptions {
  /** Whether work goes on, or waits for something that is known; asked before each sign of life. */
  readonly alive: () => boolean;
  readonly stop: AbortSignal;
  readonly log: Log;
}

/** How often the status is told where nobody waits for signs of life, in milliseconds. */
const STATUS_EVERY_MS = 30_000;
/** systemd-notify itself waits 5 s until its words have been read. */
const PATIENCE_MS = 10_000;

/** Takes `NOTIFY_SOCKET`, which has to be set, and `WATCHDOG_…` out of this process's environment. */
export function openServiceManager({ alive, stop, log }: ServiceManagerOptions): ServiceManager {
  const { socket, watchdogMs } = takeAddress(process.env);
  const stages = new Stages();
  let told = Promise.resolve();
  let isWarned = false;
  let isSilent = false;
  let shown: readonly unknown[] = [];
  let timer: NodeJS.Timeout | undefined;

  const tell = (words: readonly string[]): void => {
    if (words.length === 0) return;
    // One after the other: they are to arrive in this order.
    told = told
      .then(() => notify(socket, words))
      .catch((error: unknown) => {
        // Whoever stops a service signals each of its processes, this one's messenger included.
        if (isWarned || stop.aborted) return;
        isWarned = true;
        log({
          level: 'warn',
          message: `the service manager is not told how we are: ${whyNot(error)}`,
        });
      });
  };
  const signOfLife = (): readonly string[] => {
    if (watchdogMs === undefined) return [];
    const wasSilent = isSilent;
    isSilent = !alive();
    if (!isSilent) return ['WATCHDOG=1'];
    if (!wasSilent) {
      const message =
        'nothing has moved for too long: the service manager is no longer told that this process is alive, and ends it';
      log({ level: 'error', message });
    }
    return [];
  };
  const status = (): readonly string[] => {
    const stage = stages.latest();
    const state = [stage?.event, stages.limit?.share];
    if (stage === undefined || state.every((one, i) => one === shown[i])) return [];
    shown = state;
    return [`STATUS=${shownLine(`${stage.event.stage}: ${figures(stage, stages.limit)}`)}`];
  };
  const stopNow = (): void => {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    stop.removeEventListener('abort', stopNow);
    tell(['STOPPING=1', 'STATUS=finishing what is in flight']);
  };
  return {
    ready: () => {
      tell(['READY=1', 'STATUS=connected']);
      const everyMs = watchdogMs === undefined ? STATUS_EVERY_MS : watchdogMs / 2;
      timer = setInterval(() => tell([...signOfLife(), ...status()]), everyMs).unref();
      if (stop.aborted) stopNow();
      else stop.addEventListener('abort', stopNow, { once: true });
    },
    report: (event) => {
      if (event.type === 'progress') stages.update(event);
      else if (event.type === 'limit') stages.limit = event.limit;
    },
    stopping: () => {
      stopNow();
      return told;
    },
  };
}

/** Taken out, not only read: workers, and whatever else is started from here, don't speak in our name. */
function takeAddress(env: NodeJS.ProcessEnv): { socket: string; watchdogMs: number | undefined } {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = env;
  delete env['NOTIFY_SOCKET'];
  delete env['WATCHDOG_USEC'];
  delete env['WATCHDOG_PID'];
  const isForUs = pid === undefined || pid === String(process.pid);
  const watchdogMs = isForUs ? Number(microseconds) / 1000 : 0;
  return { socket, watchdogMs: watchdogMs > 0 ? watchdogMs : undefined };
}

/**
 * Node has no datagram sockets of Unix, and the packages that add them are compiled where they are installed. systemd's own
 * program is there wherever systemd is, and waits until its words have been read: it is asked whose they are while it runs.
 */
async function notify(socket: string, words: readonly string[]): Promise<void> {
  const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: socket };
  await promisify(execFile)('systemd-notify', words, { env, timeout: PATIENCE_MS });
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return 'the program systemd-notify is missing';
  return oneLine(error.message.trim());
}
