import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cacheDir } from '../../sandbox/cache.js';
import { runBinary, startBinary } from '../support/binary.js';

/** Starting servers of one's own takes its time. */
const TIMEOUT = 300_000;

/** The demo's temporary directory; what is in it at the end was left behind. */
let temporary: string;
let options: { cwd: string; env: Record<string, string> };
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  const env = { TMPDIR: temporary, ES_MIGRATE_SANDBOX_CACHE: cacheDir() };
  options = { cwd: temporary, env };
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

test.each(['0', '-3', '1.5', 'x', ''])('--messages %j is refused at once', async (count) => {
  const { code, stdout, stderr } = await runBinary(['demo', '--messages', count], options);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stderr).toContain('--messages');
});

test(
  'Ctrl-C while the servers start ends with 130 and leaves nothing',
  { timeout: TIMEOUT },
  async () => {
    const demo = startBinary(['demo'], options);
    await demo.shows(/starting/);
    demo.child.kill('SIGINT');
    const { code, stdout } = await demo.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(await readdir(temporary)).toEqual([]);
  },
);

test(
  'Ctrl-C in the middle of the job ends with 130 and leaves nothing',
  { timeout: TIMEOUT },
  async () => {
    const demo = startBinary(['demo', '--messages', '5000'], options);
    await demo.shows(/reading messages/);
    demo.child.kill('SIGINT');
    expect((await demo.ended).code).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
  },
);

test('--keep leaves servers up that another shell can use', { timeout: TIMEOUT }, async () => {
  // An operator's own AWS configuration must not come before the sandbox's.
  const env = { ...options.env, AWS_PROFILE: 'none', AWS_SESSION_TOKEN: 'stale' };
  const demo = startBinary(['demo', '--messages', '30', '--keep', '--json'], { ...options, env });
  let stderr = '';
  demo.child.stderr?.on('data', (text: string) => (stderr += text));
  await demo.shows(/Ctrl-C ends it/);
  const [sandbox] = await readdir(temporary);
  const exported = [...stderr.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [
    name,
    value,
  ]);
  const status = await runBinary(
    ['status', '--json', '--config', join(temporary, String(sandbox), 'es-migrate.yaml')],
    {
      ...options,
      env: { ...options.env, ...(Object.fromEntries(exported) as Record<string, string>) },
    },
  );
  expect(JSON.parse(status.stdout)).toMatchObject({ messages: { total: 30, completed: 30 } });
  demo.child.kill('SIGINT');
  const { code, stdout } = await demo.ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    messages: 30,
    completed: 30,
    compared: 30,
    equal: 30,
    verify: { level: 'content', checked: 30, missing: 0, mismatched: 0, orphaned: 0, ok: true },
  });
  expect(await readdir(temporary)).toEqual([]);
});

test('it ends with the verdict of verify', { timeout: TIMEOUT }, async () => {
  const { code, stdout, stderr } = await runBinary(['demo', '--messages', '40'], options);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/Compared 40 objects in S3 .*: 40 equal/);
  expect(stdout).toMatch(/\nNothing is missing: each of 40 messages is, byte for byte, /);
});
