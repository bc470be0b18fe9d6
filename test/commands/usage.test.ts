import { describe, expect, test } from 'vitest';
import { MINIMAL, workspace } from '../config/workspace.js';
import { cli } from './cli.js';

/** A server that isn't there: whatever is refused here was refused before anybody was connected to. */
const NOWHERE = MINIMAL.replaceAll('localhost', '127.0.0.1:1').replace(
  '127.0.0.1:1:9200',
  '127.0.0.1:1',
);

const configured = (more = '') => ({
  cwd: workspace({ 'es-migrate.yaml': `${NOWHERE}${more}retryFor: 0\n` }),
});

describe('one line and exit 2', () => {
  test.each([
    [['extract', '--fro', '2024-10-01'], "unknown option '--fro' (Did you mean --from?)"],
    [['extrct'], "unknown command 'extrct' (Did you mean extract?)"],
    [['db', 'migrat'], "unknown command 'migrat' (Did you mean migrate?)"],
    [['--jsn', 'status'], "unknown option '--jsn' (Did you mean --json?)"],
    [['status', 'x'], "too many arguments for 'status'"],
    [['get'], "missing required argument 'id'"],
    [['get', '-abc'], "unknown option '-abc'"],
    [['status', '--job', '0'], 'Give a whole number of 1 or more'],
    [['extract', '--slices', '65'], 'Give a whole number from 1 to 64'],
    [['process', '--max-runtime', '2'], 'Give a duration such as'],
    [['process', '--max-runtime', '90d'], 'at most 24d'],
    ...['0', '0%', '101%', '1.01', '-1', 'abc', '', '1e-3', ' 1%'].map(
      (share): [string[], string] => [
        ['verify', '--level', 'content', '--sample', share],
        'Give all, a percentage such as 1%',
      ],
    ),
    [['verify', '--level', 'deep'], 'Allowed choices are counts, objects, content'],
    [['verify', '--job', '0'], 'Give a whole number of 1 or more'],
    [['status', '--log-format', 'xml'], 'Allowed choices are pretty, json'],
    [['status', '--config', 'nope.yaml'], '--config: there is no file'],
    [
      ['extract', '--batch-size', '0'],
      '--batch-size: batchSize: "0" is not allowed; give a whole number from 1 to 10,000',
    ],
    [['extract', '--batch-size', '10001'], 'from 1 to 10,000'],
    [['process', '--concurrency', '0'], '--concurrency'],
    [['extract', '--from', '2024-02-30'], '--from: "2024-02-30" doesn\'t exist'],
    [['run', '--to', '2024-13-01'], '--to: "2024-13-01" doesn\'t exist'],
    [
      ['extract', '--from', '2024-10-02', '--to', '2024-10-01T23:00:00Z'],
      '--from 2024-10-02 is after --to',
    ],
    [['extract', '--timezone', 'Mars', '--from', '2024-10-01'], '"Mars" is not a time zone'],
    [['extract', '--filter', 'es-migrate.yaml'], '--filter: es-migrate.yaml is not JSON'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await cli(args, configured());
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^es-migrate: /);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('nothing configured', async () => {
    const { code, stderr } = await cli(['status'], { cwd: workspace() });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^es-migrate: nothing is configured: [^\n]+\n$/);
  });
});

test('several problems: several lines', async () => {
  const { code, stderr } = await cli(['status'], configured('batchSize: 0\ncolor: red\n'));
  expect(code).toBe(2);
  expect(stderr.trimEnd().split('\n').sort()).toEqual([
    'es-migrate: es-migrate.yaml:10: color: unknown key; allowed here: ' + TOP_LEVEL,
    'es-migrate: es-migrate.yaml:9: batchSize: 0 is not allowed; give a whole number from 1 to 10,000',
  ]);
});

const TOP_LEVEL =
  'source, tracking, target, queue, monitor, startDate, settle, batchSize, concurrency, maxAttempts, leaseSeconds, retryFor, limits';

test('--log-format json makes errors JSON, too', async () => {
  const { code, stderr } = await cli(['--log-format', 'json', 'status'], { cwd: workspace() });
  expect(code).toBe(2);
  expect(JSON.parse(stderr)).toMatchObject({
    level: 50,
    msg: expect.stringContaining('nothing is configured') as string,
  });
});

test('a server that is not there: exit 5, what to do, no stack trace unless asked for', async () => {
  const how = configured();
  const plain = await cli(['status', '--no-progress'], how);
  expect(plain).toMatchObject({ code: 5, stdout: '' });
  expect(plain.stderr).toContain('MySQL');
  expect(plain.stderr).not.toMatch(/^ +at /m);
  expect((await cli(['status', '--verbose'], how)).stderr).toMatch(/^es-migrate: +at /m);
});

test('an id that begins with a dash, and one that looks like a flag, pass after --', async () => {
  const { code, stderr } = await cli(['get', '--', '--json'], configured());
  expect(stderr).not.toContain('unknown option');
  expect(code).toBe(5);
});

test('flags of all commands stand before or after the command', async () => {
  const cwd = workspace({ 'other.yaml': 'batchSize: 0\n' });
  for (const args of [
    ['--config', 'other.yaml', 'status'],
    ['status', '--config', 'other.yaml'],
  ])
    expect((await cli(args, { cwd })).stderr).toContain('other.yaml:1: batchSize');
});

test('secrets of the environment are not in what a failed connection says', async () => {
  const secret = 'correct-horse-battery';
  const env = { ES_MIGRATE_TRACKING_PASSWORD: secret };
  const { stderr } = await cli(['status', '--verbose'], { ...configured(), env });
  expect(stderr).not.toContain(secret);
});

test.each([
  [['--sample', '1%'], '--sample is about the content of messages, --level objects reads none'],
  [['--level', 'counts', '--sample', 'all'], '--level counts reads none'],
  [['--level', 'counts', '--repair'], '--repair needs to know which messages are missing'],
  [['--combined', 'nowhere/diff.txt'], /nowhere\/diff\.txt: there is no directory .*nowhere/],
  [['--combined', '.'], 'it is not a file'],
  [['--combined', 'es-migrate.yaml/diff.txt'], 'there is no directory'],
])('verify %j: exit 2 before anybody is connected to', async (flags, message) => {
  const { code, stdout, stderr } = await cli(['verify', ...flags], configured());
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(message);
  // What is wrong, and what to do.
  expect(stderr.trimEnd().split('\n')).toHaveLength(2);
});

test('run refuses the flags of verify before it extracts anything', async () => {
  const { code, stderr } = await cli(['run', '--level', 'objects', '--sample', '1%'], configured());
  expect(code).toBe(2);
  expect(stderr).toContain('--sample is about the content of messages');
});

describe('with --json, an error is one object on stdout, too', () => {
  const nothing = () => ({ cwd: workspace({}) });
  test.each([
    [
      ['extract', '--fro', '2024-10-01', '--json'],
      configured,
      2,
      'usage',
      /^unknown option '--fro'/,
    ],
    [['extract', '--from', '2024-02-30', '--json'], configured, 2, 'usage', /doesn't exist/],
    [['--json', 'status', '--config', 'nope.yaml'], nothing, 2, 'usage', /there is no file/],
    [['status', '--json'], configured, 5, 'unavailable', /MySQL/],
  ] as const)('%j', async (args, at, code, kind, message) => {
    const ended = await cli(args, at());
    expect(ended.code, ended.stderr).toBe(code);
    const { error } = JSON.parse(ended.stdout) as { error: Record<string, unknown> };
    expect(error).toEqual({
      code, kind,
      message: expect.stringMatching(message) as string,
      advice: error['advice'] === null ? null : expect.any(String) as string,
    }); // prettier-ignore
    // People still read it.
    expect(ended.stderr).toMatch(/^es-migrate: /m);
  });
});
