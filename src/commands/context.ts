import type { ConfigFlags } from '../config/load.js';
import type { Needs } from '../config/settle.js';
import type { Run, Settings } from '../core/index.js';
import { currentUser } from '../host/user.js';
import type { Verdict } from './exit-codes.js';
import type { StopSignals } from './signals.js';
import type { Terminal } from './terminal/terminal.js';

/** Flags that every command takes. */
export interface Globals {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly logFormat: 'pretty' | 'json';
  readonly progress: boolean;
}

/** What a command is handed besides its own flags. */
export interface CommandContext {
  readonly globals: Globals;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborted once nothing can be written to stdout any more; its reason is the stream's error, which is seen to. */
  readonly stdoutLost: AbortSignal;
  readonly stop: StopSignals;
}

/** How the command line hands a command what it needs, and hears how it ended. */
export interface ProgramHooks {
  /** Makes a command's context from the flags every command takes. */
  readonly contextOf: (globals: Globals) => CommandContext;
  readonly ended: (verdict: Verdict) => void;
}

export interface OpenRun {
  readonly run: Run;
  readonly terminal: Terminal;
}

/** Opens the terminal for `work` and closes it, whatever happens. Signals are taken from here on. */
export async function withRun<T>(
  context: CommandContext,
  work: (open: OpenRun) => Promise<T>,
): Promise<T> {
  const { globals, stderr, stop } = context;
  const [{ openTerminal }, { createRun }] = await Promise.all([
    import('./terminal/terminal.js'),
    import('./create-run.js'),
  ]);
  const { quiet = false, verbose = false, logFormat: format, progress } = globals;
  const terminal = openTerminal({ stderr, quiet, verbose, format, progress });
  stop.listen((message) => terminal.log({ level: 'warn', message }));
  try {
    return await work({ run: createRun(stop.signal, terminal.report), terminal });
  } finally {
    terminal.close();
  }
}

/** Reads the settings; what they warn about is said in `withSettings`. */
async function load(context: CommandContext, needs: Needs, flags: ConfigFlags) {
  const { readSettings } = await import('../config/read-settings.js');
  const { cwd, env, globals } = context;
  const user = currentUser(env);
  return readSettings({ cwd, env, flags, configPath: globals.config, needs, user });
}

/** The same with settings, whose warnings are said first. */
export async function withSettings<T>(
  context: CommandContext,
  { needs, flags = {} }: { needs: Needs; flags?: ConfigFlags },
  work: (open: OpenRun & { settings: Settings }) => Promise<T>,
): Promise<T> {
  const { settings, warnings, describedBy } = await load(context, needs, flags);
  return withRun(context, async (open) => {
    for (const message of warnings) open.terminal.log({ level: 'warn', message });
    open.terminal.log({ level: 'debug', message: `configured by ${describedBy}` });
    return work({ ...open, settings });
  });
}
