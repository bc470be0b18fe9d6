import { hostname, tmpdir } from 'node:os';
import { systemClock, type Report, type Run } from '../core/run.js';

/** What core is told about the process it runs in. */
export function createRun(stop: AbortSignal, report: Report): Run {
  const host = { hostname: hostname(), pid: process.pid, temporaryDirectory: tmpdir(), isAlive };
  return { stop, report, clock: systemClock, host };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
