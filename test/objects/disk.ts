import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Disk {
  /** Its root, as this process can reach it. */
  readonly path: string;
  unmount(): Promise<void>;
}

/**
 * A file system in memory: tiny, so that it is soon full, or read-only, which also root cannot write to. It is
 * mounted in a mount namespace of its own, reached through /proc, and goes with the process that holds it; so
 * neither root nor tidying up is needed.
 */
export async function mountDisk(options: { kilobytes: number; readOnly?: boolean }): Promise<Disk> {
  const mountPoint = await mkdtemp(join(tmpdir(), 'es-migrate-disk-'));
  const asRoot = process.getuid?.() === 0;
  const mount = `mount -t tmpfs -o size=${options.kilobytes}k,${options.readOnly ? 'ro' : 'rw'} tmpfs "$1"`;
  return mountedBy(`${mount} && echo mounted && exec cat`, mountPoint, {
    flags: asRoot ? [] : ['--user', '--map-root-user'],
    refused: (complaint) =>
      `This test mounts a small disk in a namespace of its own, which is not allowed here: ${complaint}. ` +
      'Run it as root, or in a container started with --cap-add SYS_ADMIN.',
  });
}

/**
 * What a shell mounts at a directory, in a mount namespace of its own, until its input ends; the directory is removed then.
 *
 * @param script gets the directory as `$1`, and prints a line once it is mounted
 * @param refused the error where it is not, with what the shell has said
 */
export async function mountedBy(
  script: string,
  mountPoint: string,
  { flags = [], refused }: { flags?: readonly string[]; refused: (complaint: string) => string },
): Promise<Disk> {
  const holder = spawn('unshare', [...flags, '--mount', 'sh', '-c', script, 'sh', mountPoint], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  holder.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
  const closed = once(holder, 'close');
  const mounted = await Promise.race([once(holder.stdout, 'data'), closed.then(() => undefined)]);
  if (mounted === undefined || holder.pid === undefined) {
    throw new Error(refused(complaint.trim()));
  }
  return {
    path: `/proc/${holder.pid}/root${mountPoint}`,
    unmount: async () => {
      holder.stdin.end();
      await closed;
      await rm(mountPoint, { recursive: true });
    },
  };
}
