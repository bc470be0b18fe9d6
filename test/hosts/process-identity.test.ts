import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hidesProcesses, parseStat } from '../../src/host/proc-files.js';
import { ownIdentity, stateOf } from '../../src/host/process-identity.js';
import { until } from '../support/until.js';
import {
  inNamespaces,
  SAY_AND_END,
  sayStateOf,
  set,
  startStranger,
  type Stranger,
} from './namespaces.js';

// Real processes and real namespaces: a process is gone only where that is certain.

const strangers: Stranger[] = [];
afterEach(async () => {
  for (const one of strangers.splice(0)) await one.kill();
});

async function stranger(): Promise<Stranger> {
  const one = await startStranger();
  strangers.push(one);
  return one;
}

const own = () => ownIdentity() ?? 'none';
/** Another part of an identity: boot, pid namespace, time namespace, pid, start. */
const changed = (identity: string, part: number, value: string) =>
  identity
    .split(' ')
    .map((one, i) => (i === part ? value : one))
    .join(' ');

describe('on this host', () => {
  test('a process that runs is alive, this one, too', async () => {
    expect(own()).toMatch(/^[0-9a-f-]{36} \d+ \d+ \d+ \d+$/);
    expect(stateOf(own())).toBe('alive');
    expect(stateOf((await stranger()).identity)).toBe('alive');
  });

  test('one that was stopped by SIGSTOP is alive', async () => {
    const { child, identity } = await stranger();
    child.kill('SIGSTOP');
    const state = () => parseStat(readFileSync(`/proc/${child.pid ?? 0}/stat`, 'utf8'));
    await until(() => /\) T /.test(readFileSync(`/proc/${child.pid ?? 0}/stat`, 'utf8')), 'its stop');
    expect(state()?.hasEnded).toBe(false);
    expect(stateOf(identity)).toBe('alive');
    child.kill('SIGCONT');
  }); // prettier-ignore

  test('one that was killed is gone', async () => {
    const killed = await stranger();
    await killed.kill();
    expect(stateOf(killed.identity)).toBe('gone');
  });

  test('one that was killed, and whose parent never asks how it ended, is gone', async () => {
    // The shell becomes `sleep`, which waits for no child.
    const parent = spawn('sh', ['-c', `${SAY_AND_END} & echo $!; exec sleep 1000`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    parent.stdout.on('data', (text: Buffer) => (said += text.toString()));
    await until(() => /\n.* .*\n/.test(said), 'its identity');
    const [pid = '', identity = ''] = said.split('\n');
    await until(() => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')), 'its end');
    expect(stateOf(identity)).toBe('gone');
    parent.kill('SIGKILL');
    await once(parent, 'close');
  });

  test('one whose id another process has by now is gone', () => {
    const start = Number(own().split(' ')[4]);
    expect(stateOf(changed(own(), 4, String(start - 1)))).toBe('gone');
  });

  test('of what is no identity nothing can be told', () => {
    for (const text of ['', 'none', 'x 1 2 3 4', `${own()} 5`]) expect(stateOf(text)).toBe('unknown');
  }); // prettier-ignore
});

describe('in another place', () => {
  test('another boot, pid namespace or time namespace', () => {
    const other = '00000000-0000-4000-8000-000000000000';
    for (const [part, value] of [[0, other], [1, '1'], [2, '1']] as const) {
      // Both the id of a process that runs and one that nobody has.
      expect(stateOf(changed(own(), part, value))).toBe('elsewhere');
      expect(stateOf(changed(changed(own(), part, value), 3, '4194304'))).toBe('elsewhere');
    }
  }); // prettier-ignore

  test('a container cannot tell of its host, nor the host of it', () => {
    const script = `${set('HOST', own())}
      I=$(${SAY_AND_END}); echo "$I"
      ${sayStateOf('I')}
      ${sayStateOf('HOST')}`;
    const [inside = '', ...states] = inNamespaces(['--pid', '--fork', '--mount-proc'], script);
    // It can tell of its own processes.
    expect(states).toEqual(['gone', 'elsewhere']);
    expect(stateOf(inside)).toBe('elsewhere');
  });

  test('where /proc is of another pid namespace, nothing can be told', () => {
    const script = `I=$(${SAY_AND_END}); echo "$I"\n${sayStateOf('I')}`;
    const [inside = '', state] = inNamespaces(['--pid', '--fork'], script);
    expect(inside).toMatch(/^[0-9a-f-]{36} /);
    expect(state).toBe('unknown');
  });
});

describe('hidden by the options of /proc', () => {
  test.each(['hidepid=1', 'hidepid=2', 'hidepid=invisible'])('%s', async (option) => {
    const { identity } = await stranger();
    const ended = await stranger();
    await ended.kill();
    const script = `${set('RUNS', identity)}; ${set('ENDED', ended.identity)}
      ${sayStateOf('ENDED')}
      mount -t proc -o ${option} proc /proc
      ${sayStateOf('ENDED')}
      ${sayStateOf('RUNS')}
      setpriv --reuid 65534 --regid 65534 --clear-groups ${sayStateOf('RUNS')}`;
    // Before it is hidden, then by root and by nobody.
    expect(inNamespaces(['--mount'], script)).toEqual(['gone', 'unknown', 'unknown', 'unknown']);
  });

  test('subset=pid hides which boot this is', () => {
    const script = `I=$(${SAY_AND_END}); mount -t proc -o subset=pid proc /proc
      ${sayStateOf('I')}
      ${SAY_AND_END}`;
    expect(inNamespaces(['--mount'], script)).toEqual(['unknown', 'none']);
  });

  test('what a kernel writes of them', () => {
    const line = (options: string) => `63 45 0:39 / /proc rw,relatime shared:5 - proc proc ${options}\n`;
    for (const options of ['rw', 'rw,gid=5', 'rw,hidepid=0', 'rw,hidepid=off'])
      expect(hidesProcesses(line(options), '63'), options).toBe(false);
    for (const options of ['rw,hidepid=1', 'rw,hidepid=ptraceable', 'rw,gid=5,hidepid=invisible', 'rw,subset=pid'])
      expect(hidesProcesses(line(options), '63'), options).toBe(true);
    expect(hidesProcesses(line('rw'), '6')).toBe(true);
    expect(hidesProcesses('63 45 0:39 / /proc rw - tmpfs tmpfs rw\n', '63')).toBe(true);
  }); // prettier-ignore
});

test('a process that calls itself by brackets and blanks is read right', () => {
  const rest = Array<string>(16).fill('0').join(' ');
  const stat = (name: string, state: string, threads: number) =>
    parseStat(`77 (${name}) ${state} ${rest} ${threads} 0 4711 8 9\n`);
  expect(stat('a) Z 1 (b', 'S', 11)).toEqual({ startTicks: '4711', hasEnded: false });
  expect(stat('node', 'Z', 1)).toEqual({ startTicks: '4711', hasEnded: true });
  // Its other threads are still at it.
  expect(stat('node', 'Z', 3)).toEqual({ startTicks: '4711', hasEnded: false });
  expect(parseStat('')).toBeUndefined();
}); // prettier-ignore
