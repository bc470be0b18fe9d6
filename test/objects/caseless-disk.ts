import { execFile } from 'node:child_process';
import { mkdtemp, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, program, provide } from '../../sandbox/prerequisites.js';
import { mountedBy, type Disk } from './disk.js';

const NEEDED = [
  program('lowntfs-3g', 'NTFS as a user-space file system', ['ntfs-3g']),
  program('mkntfs', 'NTFS as a user-space file system', ['ntfs-3g']),
];

/**
 * A real file system that takes `A` and `a` for the same name: NTFS, in a file, mounted in a mount namespace of its own as
 * `mountDisk` does it. Its files have the mode 0700, whatever they are given.
 */
export async function mountCaselessDisk(): Promise<Disk> {
  await provide(NEEDED, () => undefined);
  const directory = await mkdtemp(join(tmpdir(), 'es-migrate-caseless-'));
  const image = join(directory, 'image');
  await writeFile(image, '');
  await truncate(image, 8 << 20);
  await promisify(execFile)(findProgram('mkntfs') ?? '', ['-F', '-q', '-Q', image]);
  const mounting =
    'lowntfs-3g -o ignore_case,umask=077,no_detach "$1/image" "$1" & until mountpoint -q "$1"; do kill -0 $! || exit; sleep 0.01; done; echo mounted; cat; umount "$1"; wait';
  return mountedBy(mounting, directory, {
    refused: (complaint) =>
      `This test mounts an NTFS file system, which is not allowed here: ${complaint}. ` +
      'Run it as root, where /dev/fuse is, or in a container started with --cap-add SYS_ADMIN --device /dev/fuse.',
  });
}
