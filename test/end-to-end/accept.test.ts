import { beforeEach, expect, test } from 'vitest';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { indexed } from '../verify/support.js';
import { change, query } from './landed.js';

beforeEach(sandboxCredentials);

const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];

/** Twenty messages, two of which are deleted between `extract` and `process`. */
async function withMissing() {
  const { project, index } = await indexed({ ids: ids(20), batchSize: 5 });
  const command = async (...argv: string[]) => {
    const { code, stdout, stderr } = await runBinary(argv, project);
    return { code, stdout, stderr };
  };
  const asJson = async (...argv: string[]) =>
    JSON.parse((await command(...argv, '--json')).stdout) as Record<string, unknown>;
  expect(await command('extract', ...RANGE)).toMatchObject({ code: 0 });
  for (const id of ['a3', 'a7']) {
    const url = `${sandbox().elasticsearch.url}/${index}/_doc/${id}?refresh=true`;
    expect((await fetch(url, { method: 'DELETE' })).ok).toBe(true);
  }
  return { project, command, asJson };
}

test('a message that is deleted makes exit code 3 until it is accepted; from then on 0', async () => {
  const { project, command, asJson } = await withMissing();
  const first = await command('run', ...RANGE);
  expect(first.code).toBe(3);
  expect(first.stderr).toMatch(/"es-migrate accept" settles what cannot be had/);

  const dry = await command('accept', '--error', 'missing', '--dry-run');
  expect(dry).toMatchObject({ code: 0, stderr: '' });
  expect(dry.stdout).toMatch(/^ {2}missing: 2\n2 messages would be accepted; nothing was changed\n/);
  expect((await command('process')).code).toBe(3);

  const done = await command('accept', '--error', 'missing', '--reason', 'erased on request');
  expect(done.code).toBe(0);
  expect(done.stdout).toMatch(/^ {2}missing: 2\n2 messages accepted\nthey stay failed; /);
  expect(await query(project, 'SELECT reason, accepted_by FROM acceptances')).toEqual([
    { reason: 'erased on request', accepted_by: expect.stringMatching(/^.+@.+$/) as string },
  ]);

  for (const argv of [['process'], ['run', ...RANGE], ['verify', '--level', 'content']]) {
    const { code, stderr } = await command(...argv);
    expect(code, `${argv.join(' ')}: ${stderr}`).toBe(0);
  }
  expect(await asJson('status')).toMatchObject({
    jobs: [{ status: 'completed', state: 'done', failedWindows: [] }],
    messages: { total: 20, completed: 18, failed: 2, accepted: 2 },
  });
  expect((await command('status')).stdout).toMatch(/ done, 2 failed \(2 accepted\) /);
  const errors = await command('errors');
  expect(errors.stdout).toMatch(/^code +messages +accepted +what puts them back\nmissing +2 +2 /);
  expect(errors.stdout).toMatch(/\naccepted:\n[^]*accepted by .+@.+ at .+: erased on request\n/);
  expect(await asJson('errors')).toMatchObject({
    byCode: [{ code: 'missing', messages: 2, accepted: 2 }],
    messages: [{ accepted: { reason: 'erased on request' } }, {}],
  });

  // Neither `retry` nor a requeue takes them; by name it does, and says what that ends.
  expect(await asJson('retry')).toMatchObject({ requeued: 0, failed: 2, accepted: 2 });
  const ended = await command('retry', '--error', 'missing');
  expect(ended.stdout).toMatch(/\n2 of the requeued had been accepted: that has ended\n/);
  expect((await command('process')).code).toBe(3);
}, 180_000); // prettier-ignore

test('bad input is one line and exit code 2', async () => {
  const { command, project } = await withMissing();
  const because = ['--reason', 'why not'];
  for (const [argv, line] of [
    [['accept', ...because], /nothing says which failures are accepted/],
    [['accept', '--error', 'missing'], /no reason is given/],
    [['accept', '--error', 'nope', ...because], /no message failed with "nope"/],
    [['accept', '--id', 'a0', ...because], /message "a0" is pending, not failed/],
    [['accept', '--id', '\u001B[31mred', ...because], /message "\\u001b\[31mred" is not tracked/],
    [['accept', '--job', '9', ...because], /there is no job 9/],
    [['accept', '--job', '1', '--window', '9', ...because], /job 1 has no window 9/],
    [['accept', '--window', '1', ...because], /a window belongs to a job/],
    [['retry', '--id', 'nobody'], /message "nobody" is not tracked by any job/],
  ] as const) {
    const { code, stdout, stderr } = await command(...argv);
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n').length, stderr).toBeLessThanOrEqual(2);
    expect(stderr).not.toMatch(/ at .*\.js/);
  }
  expect(await query(project, 'SELECT 1 FROM acceptances')).toEqual([]);
  await change(project, 'SELECT 1');
}, 120_000);
