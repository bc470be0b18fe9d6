import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { provide } from '../../sandbox/prerequisites.js';
import { EXIT, SIGNAL_EXIT } from '../../src/commands/exit-codes.js';
import { variables } from '../../src/config/environment.js';
import { runBinary } from '../support/binary.js';
import {
  analyze,
  COMMON,
  copyUnits,
  SERVICES,
  SYSTEMD,
  valuesOf,
  type Service,
  type Units,
} from './units.js';

const DEPLOY = fileURLToPath(new URL('../../deploy/systemd', import.meta.url));

let units: Units;
beforeAll(() => provide([SYSTEMD], (line) => process.stderr.write(`${line}\n`)));
beforeEach(async () => (units = await copyUnits()));
afterEach(() => rm(units.folder, { recursive: true }));

const verify = () => analyze('verify', '--man=no', '--recursive-errors=no', ...units.paths);

describe('systemd-analyze verify', () => {
  it('has nothing to say', async () => {
    expect(units.paths).toHaveLength(5);
    expect(await verify()).toEqual({ code: 0, output: '' });
  });

  it.each([
    ['an unknown key', 'es-migrate-process.service', 'WatchdogSec=', 'WatchDogSec=', /Unknown key/],
    ['an unknown key of all', COMMON, 'ProtectHome=', 'ProtectHomes=', /common\.conf:\d+: Unknown/],
    ['a value there is not', COMMON, 'ProtectSystem=strict', 'ProtectSystem=most', /Failed to par/],
    [
      'a missing program',
      'es-migrate-extract.service',
      /ExecStart=\S+/,
      'ExecStart=/no',
      /not exec/,
    ],
    ['no program', 'es-migrate-process-once.service', /ExecStart=.*\n/, '', /has no ExecStart=/],
    ['a time there is not', 'es-migrate-extract.timer', '=hourly', '=25:00', /Failed to parse/],
  ])('says it where there is %s', async (_, file, from, to, said) => {
    await units.change(file, from, to);
    expect((await verify()).output).toMatch(said);
  });
});

describe('systemd-analyze security', () => {
  const security = (service: Service) =>
    analyze('security', '--offline=true', '--threshold=14', join(units.folder, service));

  it.each(SERVICES)('%s: its exposure is at most 1.4', async (service) => {
    const { code, output } = await security(service);
    expect(code, output).toBe(0);
  });

  it.each(['NoNewPrivileges=yes', 'PrivateUsers=yes', 'SystemCallFilter=@system-service', 'User='])(
    'is more without %s',
    async (line) => {
      await units.change(COMMON, line, `#${line}`);
      expect((await security('es-migrate-process.service')).code).not.toBe(0);
    },
  );

  it('is much more without what they have in common', async () => {
    await rm(join(units.folder, COMMON));
    const { output } = await security('es-migrate-extract.service');
    expect(output).toMatch(/Overall exposure level .*: 9\.\d UNSAFE/);
  });
});

describe('exit codes', () => {
  type Fate = 'succeeded' | 'failed' | 'started again';

  /** As systemd.service(5) has it: what is clean is a success, all else a failure, after which Restart= counts. */
  async function fates(service: Service): Promise<Record<number, Fate>> {
    const [clean, prevented, restart] = await Promise.all([
      valuesOf(service, 'SuccessExitStatus'),
      valuesOf(service, 'RestartPreventExitStatus'),
      valuesOf(service, 'Restart'),
    ]);
    const fate = (code: number): Fate => {
      if (code === 0 || clean.includes(String(code))) return 'succeeded';
      const isRestarted = restart.includes('on-failure') && !prevented.includes(String(code));
      return isRestarted ? 'started again' : 'failed';
    };
    const codes = [...Object.values(EXIT), ...Object.values(SIGNAL_EXIT)];
    return Object.fromEntries(codes.map((code) => [code, fate(code)]));
  }

  it('of process --watch: outages and crashes start it again, what is for an operator does not', async () => {
    expect(await fates('es-migrate-process.service')).toEqual({
      [EXIT.done]: 'succeeded',
      [EXIT.bug]: 'started again',
      [EXIT.usage]: 'failed',
      [EXIT.leftOver]: 'failed',
      [EXIT.busy]: 'failed',
      [EXIT.unavailable]: 'started again',
      [SIGNAL_EXIT.SIGINT]: 'succeeded',
      [SIGNAL_EXIT.SIGTERM]: 'succeeded',
    });
  });

  it.each(['es-migrate-extract.service', 'es-migrate-process-once.service'] as const)(
    'of %s: monitoring sees what is left over and what was down; others at work are no failure',
    async (service) => {
      expect(await fates(service)).toEqual({
        [EXIT.done]: 'succeeded',
        [EXIT.bug]: 'failed',
        [EXIT.usage]: 'failed',
        [EXIT.leftOver]: 'failed',
        [EXIT.busy]: 'succeeded',
        [EXIT.unavailable]: 'failed',
        [SIGNAL_EXIT.SIGINT]: 'succeeded',
        [SIGNAL_EXIT.SIGTERM]: 'succeeded',
      });
    },
  );

  it('of a process that was told to stop before it was ready: not started again either', async () => {
    // Ending before READY=1 is a failure to systemd, whatever SuccessExitStatus= says.
    const prevented = await valuesOf('es-migrate-process.service', 'RestartPreventExitStatus');
    expect(prevented).toEqual(expect.arrayContaining(Object.values(SIGNAL_EXIT).map(String)));
  });

  it('of a process that is down: no number of starts is too many', async () => {
    expect(await valuesOf('es-migrate-process.service', 'StartLimitIntervalSec')).toEqual(['0']);
  });
});

describe('the units', () => {
  it('exclude each other: the resident process, and the one by a timer', async () => {
    expect(await valuesOf('es-migrate-process.service', 'Conflicts')).toEqual([
      'es-migrate-process-once.timer',
      'es-migrate-process-once.service',
    ]);
  });

  it('have a service for each timer, which systemd-analyze does not look for', async () => {
    const names = units.paths.map((path) => basename(path));
    const timers = names.filter((name) => name.endsWith('.timer'));
    expect(timers).not.toEqual([]);
    expect(names).toEqual(
      expect.arrayContaining(timers.map((name) => name.replace('.timer', '.service'))),
    );
    for (const timer of timers) expect(await valuesOf(timer, 'Unit')).toEqual([]);
  });

  it.each(SERVICES)('%s: its command line is understood', async (service) => {
    const [, ...args] = await valuesOf(service, 'ExecStart');
    const cwd = await mkdtemp(join(tmpdir(), 'units-'));
    const flags = args.filter((arg) => arg !== '$PROCESS_FLAGS');
    const { code, stderr } = await runBinary(flags, { cwd });
    expect([code, JSON.parse(stderr)]).toMatchObject([2, { msg: /^nothing is configured/ }]);
  });

  it('name no variable that es-migrate would refuse', async () => {
    const files = (await readdir(DEPLOY, { recursive: true, withFileTypes: true })).filter((file) =>
      file.isFile(),
    );
    const texts = await Promise.all(
      files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')),
    );
    const named = texts.join('\n').match(/\bES_MIGRATE_\w+/g) ?? [];
    expect(named.filter((name) => !variables.includes(name))).toEqual([]);
  });
});
