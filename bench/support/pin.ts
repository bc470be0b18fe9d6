import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Whether processes can be bound to CPUs here, or why not. */
export function pinning():
  { readonly possible: true } | { readonly possible: false; readonly why: string } {
  if (availableParallelism() < 2) return { possible: false, why: 'this machine has one CPU' };
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return { possible: true };
  } catch {
    return { possible: false, why: 'there is no taskset (util-linux)' };
  }
}

/** Binds all threads of a process, and what it starts from now on, to CPUs such as `0` or `0,2-3`. */
export function pin(pid: number, cores: string): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(pid)], {
    stdio: 'ignore',
  });
}
