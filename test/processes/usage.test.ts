import { describe, expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { loadMessages } from '../hosts/messages.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { completedIn, extracted, SETTINGS } from './support.js';

describe('--processes', () => {
  it.each(['0', '-1', '1.5', 'many', '', '1e3'])(
    '%j: exit 2, one line, nobody is connected to',
    async (text) => {
      const cwd = '/nowhere';
      const ended = await runBinary(['process', `--processes=${text}`], {
        cwd: '/',
        env: { PWD: cwd },
      });
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toMatch(
        /^es-migrate: option '--processes <n>' argument .* is invalid\. Give a whole number of 1 or more, or auto\.\n$/,
      );
    },
  );

  it('refuses limits that are too small to be shared out, before anything is touched', async () => {
    const { indices } = await loadMessages({ count: 1 });
    const project = await makeProject({
      indices,
      settings: { limits: { maxInFlightBytes: '3MiB' } },
    });
    for (const command of ['process', 'run']) {
      const { code, stderr, stdout } = await runBinary([command, '--processes', '4'], project);
      expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(
        /^es-migrate: --processes 4: limits\.maxInFlightBytes .*\nes-migrate: Give at most --processes 3, or raise .* to 4MiB or more\.\n$/,
      );
    }
    expect(await query(project, 'SHOW TABLES')).toEqual([]);
  });

  it('takes fewer than 10,000 of them, and of batches in flight, and says so', async () => {
    const { project } = await extracted({ count: 100 });
    const flags = ['--processes', '10000', '--concurrency', '10000'];
    const { code, stderr } = await runBinary(['process', ...flags], project);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/--processes: 10000 is more than is of use on \d+ cores?; \d+ is taken/);
    expect(stderr).toMatch(/concurrency: 10000 is more than is of use; 256 is taken/);
    expect(await completedIn(project)).toBe(100);
  });

  it('auto: as many as there are cores', async () => {
    const { project } = await extracted({ count: 100 });
    const { code, stderr } = await runBinary(['process', '--processes', 'auto'], project);
    expect(code, stderr).toBe(0);
    expect(await completedIn(project)).toBe(100);
  });

  it('with wrong credentials: exit 2, told once, nothing claimed', async () => {
    const { project } = await extracted({ count: 100 });
    const env = { ...project.env, AWS_SECRET_ACCESS_KEY: 'not-the-right-secret' };
    const ended = await runBinary(['process', '--processes', '3'], { cwd: project.cwd, env });
    expect(ended.code, ended.stderr).toBe(2);
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(2);
    expect(await query(project, 'SELECT 1 FROM batch_progress WHERE claims > 0')).toEqual([]);
  });

  it('where nothing can be staged: exit 2, told once, nothing claimed', async () => {
    const { project } = await extracted({ count: 100 });
    const env = { ...project.env, TMPDIR: `${project.cwd}/not-there` };
    const ended = await runBinary(['process', '--processes', '3'], { cwd: project.cwd, env });
    expect(ended.code, ended.stderr).toBe(2);
    expect(ended.stderr.match(/cannot be kept in/g)).toHaveLength(1);
    expect(await query(project, 'SELECT 1 FROM batch_progress WHERE claims > 0')).toEqual([]);
    await project.configure(SETTINGS);
  });
});
