/**
 * Names of temporary files and directories that say which process they belong to: `HOST-PID-BOOT-NAMESPACE-START`. HOST, because
 * hosts may share a file system and cannot see each other's processes. NAMESPACE, because containers of one host may share its name,
 * and cannot either. BOOT, a digest, because no process lives longer. START, a digest of boot and start time, because a process id
 * comes back (in a container it is always the same), and a stranger must not protect a dead one's files.
 */
import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';

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

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Stands for BOOT, NAMESPACE or START where the platform has no /proc to tell. */
const unknown = '0';

/** The name of what belongs to this process; more may follow it, after a dash. */
export async function ownedName({ hostname, pid }: NameOwner): Promise<string> {
  const [{ boot, namespace }, start] = await Promise.all([placeOf(), startOf(pid)]);
  return `${safeHost(hostname)}-${pid}-${boot}-${namespace}-${start ?? unknown}`;
}

/**
 * Whose a name made by {@link ownedName} is, as far as can be told from here. Undefined for other names. `name` is what
 * `ownedName` returned, without what follows.
 */
export async function ownerOfName(
  name: string,
  { hostname, isAlive }: Observer,
): Promise<'alive' | 'dead' | 'elsewhere' | undefined> {
  const match = /^(.+)-(\d+)-([0-9a-f]+)-(\d+)-([0-9a-f]+)$/.exec(name);
  if (!match) return undefined;
  const [, host, id, boot = unknown, namespace = unknown, start = unknown] = match;
  if (host !== safeHost(hostname)) return 'elsewhere';
  const here = await placeOf();
  if (!mayBeSame(boot, here.boot)) return 'dead';
  if (!mayBeSame(namespace, here.namespace)) return 'elsewhere';
  const pid = Number(id);
  return isAlive(pid) && mayBeSame(start, (await startOf(pid)) ?? unknown) ? 'alive' : 'dead';
}

function mayBeSame(recorded: string, found: string): boolean {
  return recorded === unknown || found === unknown || recorded === found;
}

/** Where this process's id means what it means. */
async function placeOf(): Promise<{ readonly boot: string; readonly namespace: string }> {
  const [boot, link] = await Promise.all([
    readFile(BOOT_ID, 'utf8').catch(() => undefined),
    readlink('/proc/self/ns/pid').catch(() => ''),
  ]);
  return {
    boot: boot === undefined ? unknown : digest(boot.trim()).slice(0, 8),
    namespace: /\d+/.exec(link)?.[0] ?? unknown,
  };
}

/** A digest of the boot's id and the process's start time; undefined without /proc or without the process. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile(BOOT_ID, 'utf8');
    // proc(5): field 22 is the start time in clock ticks; the name in field 2 may itself hold blanks and brackets.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    if (startTime === undefined) return undefined;
    return digest(`${boot.trim()} ${startTime}`).slice(0, 12);
  } catch {
    return undefined;
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function safeHost(hostname: string): string {
  return hostname.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, 100) || 'localhost';
}
