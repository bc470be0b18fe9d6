/**
 * Tells processes of one Linux host apart, and whether one of them is gone: a process id alone comes back, and in a container
 * it means another process than outside. Everything that cannot be told for certain is `unknown`.
 */
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessState } from '../core/run.js';
import { hidesProcesses, parseStat } from './proc-files.js';

/** Processes whose ids and start times can be compared: of one boot, one pid namespace and one clock since boot. */
interface Domain {
  readonly bootId: string;
  /** Inodes of the namespaces. */
  readonly pidNamespace: string;
  readonly timeNamespace: string;
}

interface Identity extends Domain {
  readonly pid: number;
  /** When it started, in clock ticks since boot. */
  readonly startTicks: string;
}

/** This process as `lease_process` names it; undefined where the platform cannot tell. */
export function ownIdentity(): string | undefined {
  const domain = ownDomain();
  const stat = readProc('/proc/self/stat');
  const startTicks = stat.text && parseStat(stat.text)?.startTicks;
  if (!domain || !startTicks) return undefined;
  const { bootId, pidNamespace, timeNamespace } = domain;
  return [bootId, pidNamespace, timeNamespace, process.pid, startTicks].join(' ');
}

/** What can be told from here of the process an `ownIdentity` names. */
export function stateOf(identity: string): ProcessState {
  const other = parseIdentity(identity);
  const domain = ownDomain();
  if (!other || !domain) return 'unknown';
  if (!isSameDomain(other, domain)) return 'elsewhere';
  if (!seesOthers()) return 'unknown';
  const { text, code } = readProc(`/proc/${other.pid}/stat`);
  if (text === undefined) {
    const isAbsent = code === 'ENOENT' || code === 'ESRCH';
    return isAbsent && !isAlive(other.pid) ? 'gone' : 'unknown';
  }
  const stat = parseStat(text);
  if (!stat) return 'unknown';
  return stat.startTicks === other.startTicks && !stat.hasEnded ? 'alive' : 'gone';
}

/** Whether a process of this id runs on this host. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Whether /proc shows every process of our pid namespace: it is a proc file system of this very namespace (`unshare --pid`
 * alone leaves the parent's there), mounted without an option that hides processes.
 */
function seesOthers(): boolean {
  // One id for each namespace from the mounted one down to ours.
  const ids = /^NSpid:\s*(.*)$/m.exec(readProc('/proc/self/status').text ?? '')?.[1];
  if (ids !== String(process.pid)) return false;
  try {
    const proc = openSync('/proc', 'r');
    try {
      const about = readFileSync(`/proc/self/fdinfo/${proc}`, 'utf8');
      const mountId = /^mnt_id:\s*(\d+)$/m.exec(about)?.[1];
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
      return mountId !== undefined && !hidesProcesses(mounts, mountId);
    } finally {
      closeSync(proc);
    }
  } catch {
    return false;
  }
}

function ownDomain(): Domain | undefined {
  const bootId = readProc('/proc/sys/kernel/random/boot_id').text?.trim();
  const pidNamespace = namespace('pid');
  if (!bootId || pidNamespace === undefined || !/^[0-9a-f-]{36}$/.test(bootId)) return undefined;
  // Linux before 5.6 has one clock for all.
  return { bootId, pidNamespace, timeNamespace: namespace('time') ?? '0' };
}

function namespace(kind: 'pid' | 'time'): string | undefined {
  try {
    return /\[(\d+)\]$/.exec(readlinkSync(`/proc/self/ns/${kind}`))?.[1];
  } catch {
    return undefined;
  }
}

function isSameDomain(one: Domain, other: Domain): boolean {
  return (
    one.bootId === other.bootId &&
    one.pidNamespace === other.pidNamespace &&
    one.timeNamespace === other.timeNamespace
  );
}

function parseIdentity(text: string): Identity | undefined {
  const match = /^([0-9a-f-]{36}) (\d+) (\d+) (\d+) (\d+)$/.exec(text);
  if (!match) return undefined;
  const [, bootId = '', pidNamespace = '', timeNamespace = '', pid, startTicks = ''] = match;
  return { bootId, pidNamespace, timeNamespace, pid: Number(pid), startTicks };
}

function readProc(path: string): { text?: string; code?: string | undefined } {
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { code: codeOf(error) };
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
