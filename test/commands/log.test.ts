import { expect, test } from 'vitest';
import { MINIMAL, workspace } from '../config/workspace.js';
import { runBinary } from '../support/binary.js';

/** Nobody listens there: what is logged is that it is tried again. */
const NOWHERE = `${MINIMAL.replaceAll('@localhost', '@127.0.0.1:1')}retryFor: 1s\n`;
const REFUSED = 'MySQL: connect ECONNREFUSED 127.0.0.1:1; trying again for up to 1 s';

const firstLine = async (preload: readonly 'without-pino.mjs'[], ...flags: string[]) => {
  const cwd = workspace({ 'es-migrate.yaml': NOWHERE });
  const env = { ES_MIGRATE_TRACKING_PASSWORD: 'secret' };
  const { code, stderr } = await runBinary(['status', ...flags], { cwd, env, preload });
  expect(code, stderr).toBe(5);
  return stderr.split('\n')[0];
};

test('lines are for people, or JSON', async () => {
  expect(await firstLine([])).toMatch(/^\[\d\d:\d\d:\d\d\] WARN: /);
  const line: unknown = JSON.parse((await firstLine([], '--log-format', 'json')) ?? '');
  expect(line).toMatchObject({ level: 40, msg: REFUSED });
});

test('a run whose log cannot be loaded goes on, and says the same plainly', async () => {
  expect(await firstLine(['without-pino.mjs'])).toBe(`WARN: ${REFUSED}`);
});
