import type { ConfigFlags } from '../config/load.js';
import type { Needs } from '../config/settle.js';
import type { Connections, Run, Settings } from '../core/index.js';
import type { HealthAddress } from '../monitor/health.js';
import type { Verdict } from './exit-codes.js';
import type { StopSignals } from './signals.js';
import type { Scrubber } from './terminal/scrub.js';
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
  readonly stop: StopSignals;
  readonly scrubber: Scrubber;
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

export interface Work extends OpenRun {
  readonly settings: Settings;
  readonly on: Connections;
}

/** Opens the terminal for `work` and closes it, whatever happens. Signals are taken from here on. */
export async function withRun<T>(
  context: CommandContext,
  work: (open: OpenRun) => Promise<T>,
): Promise<T> {
  const { globals, stderr, scrubber, stop } = context;
  const [{ openTerminal }, { createRun }] = await Promise.all([
    import('./terminal/terminal.js'),
    import('./create-run.js'),
  ]);
  const { quiet = false, verbose = false, logFormat: format, progress } = globals;
  const terminal = openTerminal({ stderr, scrubber, quiet, verbose, format, progress });
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
  const { cwd, env, globals, scrubber } = context;
  const loaded = await readSettings({ cwd, env, flags, configPath: globals.config, needs });
  scrubber.learn(loaded.secrets);
  return loaded;
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

/**
 * The same with connections, which are closed whatever happens.
 *
 * @param request what the command needs, its flags that are configuration, whether it may only look,
 *   whether the target's prefix has to be ours already, whether it sends batches to the queue where one is configured, whether
 *   it works (and is watched where that is configured), and where its health is told
 * @param prepare reads the command's other flags, so that what is wrong with them is told before anybody is connected to
 */
export async function withConnections<P>(
  context: CommandContext,
  request: {
    needs: Needs;
    flags?: ConfigFlags;
    readOnly?: boolean;
    prefix?: 'claim' | 'require';
    sends?: boolean;
    works?: boolean;
    healthAddress?: HealthAddress | undefined;
  },
  prepare: (settings: Settings) => Promise<P> | P,
  work: (given: Work, prepared: P) => Promise<Verdict>,
): Promise<Verdict> {
  return withSettings(context, request, async (open) => {
    const prepared = await prepare(open.settings);
    // Not the whole core: `status` is asked for often, and most of the time it takes is spent on loading.
    const [{ connect }, { withMonitor }] = await Promise.all([
      import('../core/connect.js'),
      import('./monitored.js'),
    ]);
    const { needs, readOnly = false, prefix = 'claim', sends = false } = request;
    if (needs.source) await sayWhatHoldsBack(open);
    const wants = { ...needs, queue: sends || (needs.queue ?? false), readOnly, prefix };
    return withMonitor(context, open, request, async (watched, connected) => {
      const on = await connect(open.settings, wants, watched.run);
      const disconnecting = connected(on);
      try {
        return await work({ ...watched, on }, prepared);
      } finally {
        await disconnecting();
        await on.close();
      }
    });
  });
}

/** Whoever wonders later why it isn't faster has been told. */
async function sayWhatHoldsBack({
  settings,
  terminal,
}: OpenRun & { settings: Settings }): Promise<void> {
  const { leavesPauses } = await import('../core/elasticsearch/pace.js');
  if (!leavesPauses(settings.limits)) return;
  const percent = Number((100 * settings.limits.sourceLoad).toPrecision(3));
  const message = `Elasticsearch works for us about ${percent} % of the time (limits.sourceLoad); where it has time to spare, raise that to go faster`;
  terminal.log({ level: 'info', message });
}
