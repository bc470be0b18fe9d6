/**
 * Names of temporary files and directories that say which process they belong to: `HOST-PID-START`. HOST, because hosts
 * may share a file system and cannot see each other's processes. START, a digest of boot and start time, because a
 * process id comes back (in a container it is always the same), and a stranger must not protect a dead one's files.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** A process, as its names show it. */
export interface NameOwner {
  readonly hostname: string;
  readonly pid: number;
}

/** Whose files they are. */
export interface FileUser {
  /** The effective user id; undefined where the platform has none: then ownership is not checked. */
  readonly uid?: number | undefined;
}

/** Who looks at names. */
export interface Observer {
  readonly hostname: string;
  /** Whether a process of this id runs on this host. */
  readonly isAlive: (pid: number) => boolean;
}

/** Stands for START where the platform has no /proc to tell. */
const unknownStart = '0';

/** The name of what belongs to this process; more may follow it, after a dash. */
export async function ownedName({ hostname, pid }: NameOwner): Promise<string> {
  return `${safeHost(hostname)}-${pid}-${(await startOf(pid)) ?? unknownStart}`;
}

/**
 * Whose a name made by {@link ownedName} is, as far as can be told from here. Undefined for other names. `name` is what
 * `ownedName` returned, without what follows.
 */
export async function ownerOfName(
  name: string,
  { hostname, isAlive }: Observer,
): Promise<'alive' | 'dead' | 'on another host' | undefined> {
  const match = /^(.+)-(\d+)-([0-9a-f]+)$/.exec(name);
  if (!match) return undefined;
  if (match[1] !== safeHost(hostname)) return 'on another host';
  const pid = Number(match[2]);
  return isAlive(pid) && isSameProcess(match[3], await startOf(pid)) ? 'alive' : 'dead';
}

function isSameProcess(recorded: string | undefined, found: string | undefined): boolean {
  return recorded === unknownStart || found === undefined || recorded === found;
}

/** A digest of the boot's id and the process's start time; undefined without /proc or without the process. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    // proc(5): field 22 is the start time in clock ticks; the name in field 2 may itself hold blanks and brackets.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    if (startTime === undefined) return undefined;
    return createHash('sha256').update(`${boot.trim()} ${startTime}`).digest('hex').slice(0, 12);
  } catch {
    return undefined;
  }
}

function safeHost(hostname: string): string {
  return hostname.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, 100) || 'localhost';
}
