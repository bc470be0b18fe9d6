/** What is read of /proc/PID/stat and /proc/self/mountinfo: see proc(5) and proc_pid_stat(5). */

export interface ProcessStat {
  /** Clock ticks since boot. */
  readonly startTicks: string;
  /** Only its exit status is left. */
  readonly hasEnded: boolean;
}

/** Undefined where the text is not what /proc/PID/stat holds. */
export function parseStat(text: string): ProcessStat | undefined {
  // The name in field 2 may itself hold blanks and brackets. What follows begins with field 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, threads, startTicks] = [fields[0], fields[17], fields[19]];
  if (state === undefined || startTicks === undefined || !/^\d+$/.test(startTicks))
    return undefined;
  // A zombie whose other threads have not ended yet may still hold connections.
  return { startTicks, hasEnded: /^[ZXx]$/.test(state) && Number(threads) <= 1 };
}

/**
 * Whether the proc file system mounted as `mountId` leaves out processes that are there; true also where that mount is not a
 * proc file system.
 *
 * @param mountinfo the text of /proc/self/mountinfo
 */
export function hidesProcesses(mountinfo: string, mountId: string): boolean {
  const line = mountinfo.split('\n').find((one) => one.startsWith(`${mountId} `));
  // Behind the dash: file system, source, options.
  const [type, , options = ''] = line?.split(' - ')[1]?.split(' ') ?? [];
  if (type !== 'proc') return true;
  return options
    .split(',')
    .some((option) => /^hidepid=(?!0$|off$)/.test(option) || option.startsWith('subset='));
}
