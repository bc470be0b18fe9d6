import type { RunEvent } from '../../core/run.js';
import { createLog, type Log } from './log.js';
import { noProgress, progressBars, progressLines, type Progress } from './progress.js';

export interface TerminalOptions {
  readonly stderr: NodeJS.WriteStream;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly format: 'pretty' | 'json';
  readonly progress: boolean;
}

/** Where a run's events end up: log lines and progress, both on stderr. */
export interface Terminal {
  readonly log: Log;
  readonly report: (event: RunEvent) => void;
  /** From here on every line of the log goes there, too, as JSON. */
  copyTo(write: (line: string) => void): void;
  /** A line that goes there alone. */
  readonly copyOnly: Log;
  close(): void;
}

export function openTerminal({
  stderr,
  quiet,
  verbose,
  format,
  progress,
}: TerminalOptions): Terminal {
  const out = (text: string): void => void stderr.write(text);
  const level = quiet ? 'warn' : verbose ? 'debug' : 'info';
  const color = stderr.isTTY && stderr.hasColors();
  const own = createLog({
    format,
    level,
    color,
    write: (line) => shown.write(line),
  });
  let copy: Log | undefined;
  const log: Log = (event) => {
    own(event);
    copy?.(event);
  };
  const shown: Progress =
    !progress || quiet
      ? noProgress(out)
      : stderr.isTTY && format === 'pretty'
        ? progressBars(stderr, out)
        : progressLines(out, log);
  return {
    log,
    report: (event) => {
      if (event.type === 'log') log(event);
      else if (event.type === 'limit') shown.limit(event.limit);
      else if (event.type === 'progress') shown.show(event);
    },
    copyTo: (write) => {
      copy = createLog({ format: 'json', level, color: false, write });
    },
    copyOnly: (event) => copy?.(event),
    close: () => shown.close(),
  };
}
