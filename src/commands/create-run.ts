import { hostname, tmpdir } from 'node:os';
import { systemClock, type Host, type Report, type Run } from '../core/run.js';
import { isAlive, ownIdentity, stateOf } from '../host/process-identity.js';

/**
 * What core is told about the process it runs in.
 *
 * @param changes what this process knows better of its host
 */
export function createRun(stop: AbortSignal, report: Report, changes: Partial<Host> = {}): Run {
  const host: Host = {
    hostname: hostname(),
    pid: process.pid,
    uid: process.geteuid?.(),
    temporaryDirectory: tmpdir(),
    isAlive,
    identity: ownIdentity(),
    stateOf,
    ...changes,
  };
  return { stop, report, clock: systemClock, host };
}
