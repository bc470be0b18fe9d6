/**
 * Loaded before anything else into a process that is measured: at its end it adds one line to the file BENCH_USAGE, with
 * the CPU it took and the most memory it had.
 */
import { appendFileSync, readFileSync } from 'node:fs';

const file = process.env['BENCH_USAGE'];

/** In bytes. Not `maxRSS`: that counts what the parent had when it forked. */
function peakMemory(): number {
  try {
    const [, kilobytes] =
      /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // No Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

if (file !== undefined) {
  process.on('exit', () => {
    const { user, system } = process.cpuUsage();
    appendFileSync(
      file,
      JSON.stringify({ cpuSeconds: (user + system) / 1e6, peakBytes: peakMemory() }) + '\n',
    );
  });
}
