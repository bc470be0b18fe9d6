import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadMessages, RANGE, type Messages } from '../hosts/messages.js';
import { mountDisk } from '../objects/disk.js';
import { runBinary, startBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { compareAll } from '../support/whole.js';
import { binary } from './cli.js';

// The real binary, with a log or a result that cannot be written.

const NO_SPACE = 'es-migrate: the result could not be written to stdout: no space left on device\n';
const ID = 'message/7';

let messages: Messages;
/** With everything migrated. */
let done: Project;

beforeAll(async () => {
  messages = await loadMessages({ count: 40, bytes: 10_000 });
  done = await makeProject({ indices: messages.indices, settings: { batchSize: 10 } });
  const { code, stderr } = await runBinary(['run', ...RANGE], done);
  expect(code, stderr).toBe(0);
});

/** By a shell, which says where its output goes. */
async function shell(project: Project, command: string) {
  const env = { PATH: process.env['PATH'], NODE: process.execPath, BINARY: binary, ...project.env };
  const child = spawn('bash', ['-c', `es() { "$NODE" "$BINARY" "$@"; }; ${command}`], {
    cwd: project.cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

const fresh = () => makeProject({ indices: messages.indices, settings: { batchSize: 10 } });
const range = RANGE.join(' ');

describe('a log that cannot be written changes nothing', () => {
  it.each([
    ['2>/dev/full', ''],
    ['2>/dev/full', '--log-format json'],
    ['2>/dev/full', '--verbose --processes 2'],
    // Its reader has gone before the first line.
    ['2> >(exit)', '--verbose'],
  ])('run %s %s', async (where, flags) => {
    const project = await fresh();
    const { code, stdout } = await shell(project, `es run ${range} --json ${flags} ${where}`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ process: { completed: 40 }, verify: { ok: true } });
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('whose reader goes in the middle', async () => {
    const project = await fresh();
    const running = startBinary(['run', ...RANGE, '--verbose', '--json'], project);
    await running.shows(/reading/);
    running.child.stderr?.destroy();
    const { code, stdout } = await running.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ process: { completed: 40 } });
  });

  it('neither exit code of what is wrong', async () => {
    expect((await shell(done, 'es run --from nonsense 2>/dev/full')).code).toBe(2);
    expect((await shell(done, 'es status --no-such-flag 2>/dev/full')).code).toBe(2);
    expect((await shell(done, 'es get no-such-id 2>/dev/full')).code).toBe(2);
  });
});

describe('a result that cannot be written is exit 1, with its own line', () => {
  it.each(['status', 'status --json', 'errors', `get ${ID}`, 'verify', '--help', '--version', 'status --watch'])(
    '%s',
    async (command) => {
      const { code, stderr } = await shell(done, `es ${command} >/dev/full`);
      expect(code, stderr).toBe(1);
      expect(stderr).toContain(NO_SPACE);
      expect(stderr.match(/could not be written/g)).toHaveLength(1);
      expect(stderr).not.toMatch(/bug|uncaught|^\s+at /m);
    },
  ); // prettier-ignore

  it('also where the log cannot be written, either', async () => {
    expect(await shell(done, 'es status >/dev/full 2>/dev/full')).toMatchObject({ code: 1 });
  });

  it('and all that the command does is done', async () => {
    const project = await fresh();
    const { code, stderr } = await shell(project, `es run ${range} --json >/dev/full`);
    expect(code, stderr).toBe(1);
    expect(stderr).toContain(NO_SPACE);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('where the disk takes only its first part', async () => {
    const disk = await mountDisk({ kilobytes: 8 });
    try {
      const file = join(disk.path, 'document.json');
      const { code, stderr } = await shell(done, `es get ${ID} >${file}`);
      expect((await readFile(file)).length).toBe(8192);
      expect(code, stderr).toBe(1);
      expect(stderr).toContain(NO_SPACE);
    } finally {
      await disk.unmount();
    }
  });

  it('but to a file with room goes whole', async () => {
    const expected = [...messages.expected.values()].find(({ id }) => id === ID)?.document;
    const { stdout } = await shell(done, `es get ${ID} >document.json && es get ${ID} | cmp - document.json && cat document.json`); // prettier-ignore
    expect(stdout).toBe(expected);
  });
});

describe('a reader of the result that has gone is no failure', () => {
  it.each(['status', `get ${ID}`, 'status --watch'])('%s', async (command) => {
    const { code, stderr } = await shell(
      done,
      `set -o pipefail; es ${command} | head -c 1 >/dev/null`,
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toBe('');
  });
});
