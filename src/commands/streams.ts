import { fstatSync, writeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';

/** What became of stdout. */
export interface StdoutState {
  /** Aborted once nothing can be written there any more; its reason is the stream's error. */
  readonly lost: AbortSignal;
}

/**
 * Sees to errors of the two streams. Log and progress decide nothing: what cannot be written to stderr is dropped. The result is
 * what a command is for: `onFailure` is told, once, that it cannot be written. A reader of stdout that has seen enough, as
 * `head` has, is no failure.
 */
export function watchStreams(
  { stdout, stderr }: Pick<NodeJS.Process, 'stdout' | 'stderr'>,
  onFailure: (error: NodeJS.ErrnoException) => void,
): StdoutState {
  stderr.on('error', () => undefined);
  const lost = new AbortController();
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (lost.signal.aborted) return;
    lost.abort(error);
    if (error.code !== 'EPIPE') onFailure(error);
  });
  if (isFile(stdout)) writeWhole(stdout);
  return { lost: lost.signal };
}

/** Why the result cannot be written, and what to do, in lines. */
export function unwritable({ errno, message }: NodeJS.ErrnoException): string[] {
  const why = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return [
    `the result could not be written to stdout: ${why ?? message}`,
    'what the command did otherwise is done; make room there, or send the result elsewhere, and run it again',
  ];
}

function isFile({ fd }: NodeJS.WriteStream & { fd: number }): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/** Of a disk that gets full, a write may take only the first part, which Node does not look at: half a result, and no error. */
function writeWhole(stdout: NodeJS.WriteStream & { fd: number }): void {
  stdout._write = (chunk: Buffer | string, encoding, done) => {
    try {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      for (let at = 0; at < bytes.length;) at += writeSync(stdout.fd, bytes, at);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}
