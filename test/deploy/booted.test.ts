import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { provide } from '../../sandbox/prerequisites.js';
import { sampleIndices } from '../../sandbox/sample.js';
import { change } from '../end-to-end/landed.js';
import { claimed, closedGate, completedIn, extracted } from '../processes/support.js';
import type { Project } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { until } from '../support/until.js';
import { bootSystemd, mayBoot, type Host } from './booted.js';
import { DBUS, SYSTEMD } from './units.js';

const PROCESS = 'es-migrate-process.service';
const ONCE = 'es-migrate-process-once.service';
const ONCE_TIMER = 'es-migrate-process-once.timer';
const STATE = ['ActiveState', 'SubState', 'Result', 'ExecMainStatus'] as const;

describe.skipIf(!mayBoot())('a systemd that runs (as root that may boot one)', () => {
  let host: Host;
  beforeAll(async () => {
    await provide([SYSTEMD, DBUS], (line) => process.stderr.write(`${line}\n`));
    host = await bootSystemd();
    const impatient = '[Service]\nWatchdogSec=10s\nRestartSec=1s\n';
    await host.run('mkdir', `/etc/systemd/system/${PROCESS}.d`);
    await host.write(`/etc/systemd/system/${PROCESS}.d/test.conf`, impatient);
    await host.run('systemctl', 'daemon-reload');
    return () => host.stop();
  });
  beforeEach(async () => {
    await host.run('systemctl', 'stop', PROCESS, ONCE_TIMER, ONCE);
    await host.run('systemctl', 'reset-failed');
  });

  /** A project whose configuration and secrets lie where the services look for them. */
  async function configured(count = 20): Promise<Project & { indices: string }> {
    const { project, messages } = await extracted({ count });
    await configureHost(project);
    return { ...project, indices: messages.indices };
  }

  async function configureHost({ cwd, env }: Project): Promise<void> {
    const settings = await readFile(join(cwd, 'es-migrate.yaml'), 'utf8');
    await host.write('/etc/es-migrate/es-migrate.yaml', settings);
    const secrets = Object.entries(env).map(([name, value]) => `${name}=${value}\n`);
    await host.write('/etc/es-migrate/secrets.env', secrets.join(''), 0o600);
  }

  const start = async (unit: string) => host.run('systemctl', 'start', unit);
  const state = (unit: string) => host.show(unit, ...STATE);
  const signal = (name: string) =>
    host.run('systemctl', 'kill', `--signal=${name}`, '--kill-whom=main', PROCESS);
  const mainOf = async (unit: string) => (await host.show(unit, 'MainPID')).MainPID;
  const journal = async (unit: string) =>
    (await host.run('journalctl', '--no-pager', '-o', 'cat', '-u', unit)).output;

  async function startedAgain(before: string): Promise<void> {
    await until(async () => {
      const { ActiveState, MainPID } = await host.show(PROCESS, 'ActiveState', 'MainPID');
      return ActiveState === 'active' && MainPID !== before;
    }, 'a new start');
  }

  it('process is active once it is connected, as its own user, and carries what is there', async () => {
    const project = await configured();
    const { code, output } = await start(PROCESS);
    expect(code, output + (await journal(PROCESS))).toBe(0);
    expect(await state(PROCESS)).toMatchObject({ ActiveState: 'active', SubState: 'running' });
    const user = await host.run('stat', '-c', '%U', `/proc/${await mainOf(PROCESS)}`);
    expect(user.output).toBe('es-migrate\n');
    await until(async () => (await completedIn(project)) === 20, '20 messages');
    const status = async () => (await host.show(PROCESS, 'StatusText')).StatusText;
    await until(async () => (await status()).startsWith('process: 20 of 20'), 'the status');
  });

  it('a killed process is started again', async () => {
    await configured();
    await start(PROCESS);
    const main = await mainOf(PROCESS);
    await signal('KILL');
    await startedAgain(main);
  });

  it('a process that hangs is killed by the watchdog, and started again', async () => {
    await configured();
    await start(PROCESS);
    const main = await mainOf(PROCESS);
    await signal('STOP');
    await startedAgain(main);
    expect(await journal(PROCESS)).toMatch(/Failed with result 'watchdog'/);
  });

  it('a configuration that is wrong is not tried again and again', async () => {
    await configured();
    await host.write('/etc/es-migrate/es-migrate.yaml', 'nonsense: 1\n');
    expect((await start(PROCESS)).code).not.toBe(0);
    // Not auto-restart.
    expect(await state(PROCESS)).toMatchObject({ SubState: 'failed', ExecMainStatus: '2' });
  });

  it('secrets that are missing are not tried again and again', async () => {
    await configured();
    await host.run('rm', '/etc/es-migrate/secrets.env');
    expect((await start(PROCESS)).code).not.toBe(0);
    expect(await state(PROCESS)).toMatchObject({ SubState: 'failed', ExecMainStatus: '2' });
  });

  it('while a server is down it is started again, until it is back', async () => {
    const project = await configured();
    await project.configure({ source: { url: 'http://127.0.0.1:9' }, retryFor: '0s' });
    await configureHost(project);
    await start(PROCESS);
    await until(async () => Number((await host.show(PROCESS, 'NRestarts')).NRestarts) > 1);
    expect(await journal(PROCESS)).toMatch(/Main process exited, code=exited, status=5/);
    await project.configure({});
    await configureHost(project);
    await until(async () => (await state(PROCESS)).ActiveState === 'active', 'a start');
  });

  it('a stop gives back what is in flight, in time', async () => {
    const project = await configured();
    await closedGate(project);
    await configureHost(project);
    await start(PROCESS);
    await until(async () => (await claimed(project)).length > 0, 'a claimed batch');
    expect((await host.run('systemctl', 'stop', PROCESS)).code).toBe(0);
    expect(await state(PROCESS)).toMatchObject({ ActiveState: 'inactive', Result: 'success' });
    expect(await claimed(project)).toEqual([]);
  });

  it('the resident process and the one by a timer stop each other', async () => {
    await configured();
    const active = async () => {
      const states = await Promise.all([PROCESS, ONCE_TIMER].map(state));
      return states.map(({ ActiveState }) => ActiveState);
    };
    await start(PROCESS);
    await start(ONCE_TIMER);
    expect(await active()).toEqual(['inactive', 'active']);
    await start(PROCESS);
    expect(await active()).toEqual(['active', 'inactive']);
  });

  it('by a timer: batches that others hold are no failure, failed messages are', async () => {
    const { indices, ...project } = await configured();
    const held = `UPDATE batch_progress SET status = 'in_progress', lease_token = REPEAT('a', 32), lease_owner = 'elsewhere:1',
                         lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR ORDER BY batch_id LIMIT 1`;
    await change(project, held);
    expect((await start(ONCE)).code).toBe(0);
    expect(await journal(ONCE)).toMatch(/others are at work: elsewhere:1 holds batches/);
    await change(project, 'UPDATE batch_progress SET lease_expires_at = UTC_TIMESTAMP(6)');
    const { url } = sandbox().elasticsearch;
    const { messages } = sampleIndices(indices);
    for (let i = 0; i < 20; i += 1)
      await fetch(`${url}/${messages}/_doc/message%2F${i}?refresh=true`, { method: 'DELETE' });
    expect((await start(ONCE)).code).not.toBe(0);
    expect(await state(ONCE)).toMatchObject({ ActiveState: 'failed', ExecMainStatus: '3' });
  });

  it('a command by hand finds the same configuration and secrets', async () => {
    await configured();
    const { code, output } = await host.run(
      'systemd-run',
      ...['--quiet', '--pipe', '--wait', '--collect', '--unit=es-migrate-by-hand'],
      ...['/usr/local/bin/es-migrate', 'status', '--json'],
    );
    expect(code, output).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ messages: { total: 20 } });
  });
});
