import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { binary } from '../commands/cli.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import type { Project } from '../support/project.js';
import { startHttpProxy } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { add, extractNow, indexed, plant, processNow } from '../verify/support.js';
import { query } from './landed.js';

/** Clears the screen, writes to the clipboard, turns the reading direction, and begins a line of its own. */
const ACTING = '\u001b[2J\u001b]52;c;aGk=\u0007\u009b2J\u202ex\u2066\u200f\u061c\u2028';
const FORGED = `${ACTING}\n[12:00:00] INFO: 9 of 9 are proven\r\nes-migrate: all is well`;
const ACTS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** No line of a text acts on a terminal, and none was begun by data. */
function expectPlain(said: string): void {
  for (const line of said.split('\n')) {
    expect(line).not.toMatch(ACTS);
    expect(line).not.toMatch(/^(\[12:00:00\]|es-migrate: all is well)/);
  }
}

async function made(): Promise<{ project: Project; id: string; index: string }> {
  sandboxCredentials();
  const id = `m${FORGED}`;
  const { project, index } = await indexed({ ids: [id, 'stays'], batchSize: 1 });
  return { project, id, index };
}

const run = ({ cwd, env }: Project, ...args: string[]) => runBinary(args, { cwd, env });

test('ids, texts of tables, names of hosts and files act on no terminal, whatever is asked', async () => {
  const { project, id, index } = await made();
  await extractNow(project);
  await remove(index, id);
  await processNow(project);
  const at = project.database.database;
  await query(project, `UPDATE message_errors SET detail = ${quoted(FORGED)}`);
  const errors = await run(project, 'errors');
  expect(errors.code, errors.stderr).toBe(0);
  expectPlain(errors.stdout);
  expect(errors.stdout).toContain('\\u{1b}[2J');
  const json = await run(project, 'errors', '--json');
  expectPlain(json.stdout.trimEnd());
  const [message] = (JSON.parse(json.stdout) as { messages: Record<string, unknown>[] }).messages;
  expect(message).toMatchObject({ messageId: id, detail: FORGED });

  // Another host's name, in a lease that has run out.
  await add(index, ['later']);
  await extractNow(project, { from: Date.UTC(2024, 9, 1), to: Date.UTC(2024, 9, 3) });
  const owner = quoted(`host${FORGED.slice(0, 100)}:1`);
  await query(
    project,
    `UPDATE ${at}.batch_progress SET lease_owner = ${owner}, lease_token = 'x', status = 'in_progress',
            lease_expires_at = NOW(6) - INTERVAL 1 HOUR WHERE status = 'pending'`,
  );
  const stuck = await run(project, 'reset-stuck', '--dry-run');
  expect(stuck.stdout).toContain('held by host\\u{1b}');
  expectPlain(stuck.stdout);

  const accepted = await run(project, 'accept', '--error', 'missing', '--reason', FORGED);
  expect(accepted.code, accepted.stderr).toBe(0);
  expectPlain(`${accepted.stdout}${accepted.stderr}`);
  await query(project, `UPDATE acceptances SET reason = ${quoted(FORGED)}, accepted_by = ${owner}`);
  const settled = await run(project, 'errors');
  expect(settled.stdout).toContain('accepted by host\\u{1b}');
  expectPlain(settled.stdout);

  await plant(project, `messages/\u009b2J\u202ex\u2066.json`, '{}');
  const verified = await run(project, 'verify', '--combined', 'diff.txt');
  expect(verified.code, verified.stderr).toBe(3);
  expectPlain(`${verified.stdout}${verified.stderr}`);
  expect(verified.stdout).toMatch(/foreign/);
  expectPlain((await readFile(join(project.cwd, 'diff.txt'), 'utf8')).replaceAll('\t', ' '));

  for (const format of ['pretty', 'json']) {
    const got = await run(project, 'get', id, '--log-format', format);
    expect(got.code, got.stderr).toBe(3);
    expectPlain(got.stderr);
  }
});

/** As MySQL reads it. */
function quoted(text: string): string {
  return `CONVERT(X'${Buffer.from(text).toString('hex')}' USING utf8mb4)`;
}

async function remove(index: string, id: string): Promise<void> {
  const url = `${sandbox().elasticsearch.url}/${index}/_doc/${encodeURIComponent(id)}?refresh=true`;
  expect((await fetch(url, { method: 'DELETE' })).status).toBe(200);
}

test('a server that answers with megabytes, escape sequences and lines of a log is one short line', async () => {
  const { project } = await made();
  const reason = `${FORGED}${' '.repeat(300_000)}x`;
  const error = { type: `a${FORGED}`, reason };
  const proxy = await startHttpProxy(sandbox().elasticsearch.url, () => ({
    do: 'answer',
    status: 400,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ error: { root_cause: [error], ...error }, status: 400 }),
  }));
  onTestFinished(() => proxy.close());
  await project.configure({ source: { url: proxy.url, related: {} } });
  for (const flags of [['--log-format', 'json'], ['--verbose']]) {
    const { code, stderr, stdout } = await run(project, 'extract', '--json', ...flags);
    expect(code, stderr.slice(0, 2_000)).toBe(2);
    expect(stderr.length).toBeLessThan(20_000);
    expectPlain(stderr);
    expectPlain(stdout.trimEnd());
    expect((JSON.parse(stdout) as { error: object }).error).toMatchObject({ kind: 'usage' });
  }
});

test('arguments are quoted without what acts on a terminal, and flags that are not without their value', async () => {
  const { project } = await made();
  for (const args of [[`status${FORGED}`], [`--${FORGED}`], ['status', `--x${ACTING}`]]) {
    for (const json of [[], ['--json']]) {
      const { code, stderr, stdout } = await run(project, ...args, ...json);
      expect(code).toBe(2);
      expectPlain(stderr);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      expectPlain(stdout.trimEnd());
    }
  }
  const { stderr, stdout } = await run(project, 'status', '--password=hunter2', '--json');
  expect(stderr).toBe("es-migrate: unknown option '--password'\n");
  expect(stdout).not.toContain('hunter2');
});

test('a document is written as it is, and to a terminal with what would act on it escaped', async () => {
  const { project, id } = await made();
  await extractNow(project);
  await processNow(project);
  const piped = await run(project, 'get', id);
  expect(piped.stdout).toMatch(/\u009b2J\u202e/);
  const script = `import os, pty, sys
os.environ.pop('NODE_OPTIONS', None)
pty.spawn(sys.argv[1:])`;
  const { stdout } = await promisify(execFile)(
    'python3',
    ['-c', script, process.execPath, binary, 'get', id, '--quiet'],
    { cwd: project.cwd, env: { PATH: process.env['PATH'], ...project.env } },
  );
  const shown = stdout.slice(stdout.indexOf('{'), stdout.lastIndexOf('}') + 1);
  expectPlain(shown);
  expect(JSON.parse(shown)).toEqual(JSON.parse(piped.stdout));
});
