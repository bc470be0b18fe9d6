import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The compiled module: processes in other namespaces run it. */
const MODULE = fileURLToPath(new URL('../../dist/src/host/process-identity.js', import.meta.url));
const SAY_IDENTITY = `const m = await import(${JSON.stringify(MODULE)}); console.log(m.ownIdentity() ?? 'none');`;

export interface Stranger {
  readonly child: ChildProcess;
  readonly identity: string;
  /** By SIGKILL; resolves when nothing of it is left. */
  kill(): Promise<void>;
}

/** A process of its own that has said who it is and waits. */
export async function startStranger(): Promise<Stranger> {
  const script = `${SAY_IDENTITY} setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  const identity = said.toString().trim();
  return {
    child,
    identity,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    },
  };
}

/** What a process in those namespaces prints, in lines; refused, the test fails with what to do. */
export function inNamespaces(flags: readonly string[], script: string): string[] {
  const { status, stdout, stderr } = spawnSync('unshare', [...flags, 'sh', '-ec', script], {
    encoding: 'utf8',
  });
  if (status !== 0) {
    throw new Error(
      `This test makes namespaces of its own, which failed: ${stderr.trim()}. ` +
        'Run it as root, or in a container started with --cap-add SYS_ADMIN.',
    );
  }
  return stdout.trim().split('\n');
}

/** Shell: prints the identity of a process that has then ended. */
export const SAY_AND_END = `'${process.execPath}' --input-type=module -e ${quoted(SAY_IDENTITY)}`;

/** Shell: prints what can be told of the process whose identity stands in that variable. */
export function sayStateOf(variable: string): string {
  const script = `const m = await import(${JSON.stringify(MODULE)}); console.log(m.stateOf(process.argv[1]));`;
  return `'${process.execPath}' --input-type=module -e ${quoted(script)} "$${variable}"`;
}

/** Shell: sets a variable. */
export function set(variable: string, value: string): string {
  return `${variable}=${quoted(value)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
