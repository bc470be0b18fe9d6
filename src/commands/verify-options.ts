import { access, constants, lstat, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { usage } from '../core/errors.js';
import type { VerifyOptions } from '../core/verify/types.js';
import type { VerifyOnlyFlags } from './verify-flags.js';

/**
 * @param cwd what `--combined` is relative to
 * @throws MigrateError `usage` where flags don't go together, or `--combined` can't be written
 */
export async function verifyOptions(flags: VerifyOnlyFlags, cwd: string): Promise<VerifyOptions> {
  const { level, sample, job, combined, repair = false, restart = false } = flags;
  if (sample !== undefined && level !== 'content') {
    throw usage(
      `--sample is about the content of messages, --level ${level} reads none`,
      'Give --level content, or leave --sample out.',
    );
  }
  if (repair && level === 'counts') {
    throw usage(
      '--repair needs to know which messages are missing; --level counts only says how many',
      'Give --level objects or content.',
    );
  }
  const diffFile = combined === undefined ? undefined : await writable(resolve(cwd, combined));
  return {
    level,
    sample: sample ?? 1,
    jobs: job === undefined ? undefined : [job],
    restart,
    repair,
    diffFile,
  };
}

/** Whether the file can be written, without touching it: it may be another verification's that goes on. */
async function writable(path: string): Promise<string> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink()) throw refused(path, 'it is a link, and links are not followed');
  if (found && !found.isFile()) throw refused(path, 'it is not a file');
  if (found) {
    await access(path, constants.W_OK).catch((error: unknown) => {
      throw refused(path, 'it may not be written', error);
    });
    return path;
  }
  const directory = await stat(dirname(path)).catch(() => undefined);
  if (!directory?.isDirectory()) throw refused(path, `there is no directory ${dirname(path)}`);
  await access(dirname(path), constants.W_OK).catch((error: unknown) => {
    throw refused(path, `nothing may be written to ${dirname(path)}`, error);
  });
  return path;
}

function refused(path: string, why: string, cause?: unknown): Error {
  return usage(`--combined ${path}: ${why}`, 'Name a file that can be written.', cause);
}
