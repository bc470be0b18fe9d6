import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { workspace } from '../config/workspace.js';
import { cli } from './cli.js';

const COMMANDS = [
  'extract',
  'process',
  'run',
  'verify',
  'retry',
  'accept',
  'reset-stuck',
  'status',
  'errors',
  'get',
  'db migrate',
  'demo',
];

test('--help lists every command', async () => {
  const { code, stdout, stderr } = await cli(['--help'], { cwd: workspace() });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const command of COMMANDS)
    expect(stdout).toMatch(new RegExp(`^ +${command.split(' ')[0] ?? ''} `, 'm'));
});

describe('the help of each command', () => {
  test.each(COMMANDS)(
    '%s shows an example, its exit codes and the flags of all',
    async (command) => {
      const { code, stdout } = await cli([...command.split(' '), '--help'], { cwd: workspace() });
      expect(code).toBe(0);
      expect(stdout).toContain(`Example:\n  $ es-migrate ${command}`);
      expect(stdout).toMatch(/Exit status:\n {2}0 +done[^]*\n {2}2 +usage/);
      expect(stdout).toContain('--log-format');
    },
  );
});

test('--version is that of the package', async () => {
  const { code, stdout } = await cli(['--version'], { cwd: workspace() });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

/** Writes down the URL of every module that is loaded, imported or required. */
const RECORDER = `
import { register } from 'node:module';
import { appendFileSync } from 'node:fs';
register('data:text/javascript,' + encodeURIComponent(\`
  import { appendFileSync } from 'node:fs';
  export async function load(url, context, next) {
    appendFileSync(process.env.LOADED, url + '\\\\n');
    return next(url, context);
  }
\`));
`;

test('--help loads commander and nothing else that is heavy', async () => {
  const cwd = workspace({ 'recorder.mjs': RECORDER });
  const loaded = join(cwd, 'loaded.txt');
  const modulesOf = async (args: string[]): Promise<string[]> => {
    writeFileSync(loaded, '');
    await cli(args, {
      cwd,
      env: { LOADED: loaded },
      node: ['--import', join(cwd, 'recorder.mjs')],
    });
    const { readFileSync } = await import('node:fs');
    const urls = readFileSync(loaded, 'utf8').split('\n');
    return [
      ...new Set(
        urls
          .map((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1])
          .filter((name) => name !== undefined),
      ),
    ];
  };
  expect(await modulesOf(['--help'])).toEqual(['commander']);
  expect(await modulesOf(['extract', '--help'])).toEqual(['commander']);
  // The recorder sees what is loaded lazily, so the two lines above could fail.
  expect(await modulesOf(['status', '--config', join(cwd, 'recorder.mjs')])).toContain('zod');
});
