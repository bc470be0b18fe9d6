import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { load, MINIMAL, problems, problemsWith, workspace } from './workspace.js';

/** MINIMAL with this as `source.filter`. */
const withFilter = (filter: string) =>
  MINIMAL.replace('tracking:', `  filter: ${filter}\ntracking:`);
const filterProblems = (filter: string) =>
  problems({ files: { 'es-migrate.yaml': withFilter(filter) } });

/** Ten references to ten references …: a few hundred bytes that stand for 10^9 words. */
const LAUGHS = [
  '&a0 [ha]',
  ...Array.from({ length: 9 }, (_, i) => `&a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`),
];

describe('a file that would grow beyond all bounds', () => {
  test('by aliases of aliases in source.filter', () => {
    expect(filterProblems(`{ terms: { a: [${LAUGHS.join(', ')}] } }`)).toEqual([
      expect.stringMatching(/^es-migrate\.yaml:5: source\.filter: .*more than 100 aliases/),
    ]);
  });

  test('by aliases of aliases elsewhere', () => {
    const [problem, ...others] = problemsWith(`queue: { url: [${LAUGHS.join(', ')}] }\n`);
    expect(problem).toMatch(/alias/i);
    expect(others).toEqual([]);
  });

  test.each(['es-migrate.yaml', 'es-migrate.json'])('by its size, as %s', (name) => {
    const file = `# ${'x'.repeat(9 << 20)}`;
    expect(() => load({ files: { [name]: file } })).toThrow(
      `${name} has more than 8 MiB; is it the right file?`,
    );
  });

  test('by having no end, such as /dev/zero', () => {
    expect(() => load({ configPath: '/dev/zero' })).toThrow('/dev/zero has more than 8 MiB');
    expect(problems({ flags: { filter: '/dev/zero' } })).toEqual([
      expect.stringContaining('/dev/zero has more than 8 MiB'),
    ]);
  });
});

test('a pipe is read to its end, such as the one of --filter <(jq …)', async () => {
  const pipe = join(workspace({ 'es-migrate.yaml': MINIMAL }), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const script = `{ printf '{"term":'; printf '{"a":1}}'; } > "$0"`;
  const writer = spawn('sh', ['-c', script, pipe], { stdio: 'ignore' });
  const { settings } = load({ flags: { filter: pipe } });
  expect(settings.source.filter).toBe('{"term":{"a":1}}');
  await once(writer, 'exit');
});

describe('a file that is nested too deeply', () => {
  const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

  test.each([
    ['flow lists', { 'es-migrate.yaml': withFilter(`{ a: ${deep(200_000)} }`) }],
    ['lists in one line', { 'es-migrate.yaml': `${MINIMAL}queue:\n  ${'- '.repeat(100_000)}x\n` }],
    ['JSON', { 'es-migrate.json': `{"source":${deep(200_000)}}` }],
    ['a few hundred levels of a filter', { 'es-migrate.yaml': withFilter(`{ a: ${deep(900)} }`) }],
  ])('%s', (_, files) => {
    const found = problems({ files });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/nested too deeply/);
  });

  test('the file of --filter', () => {
    const cwd = workspace({ 'es-migrate.yaml': MINIMAL, 'q.json': `{"a":${deep(200_000)}}` });
    expect(problems({ cwd, flags: { filter: 'q.json' } })).toEqual([
      expect.stringMatching(/--filter: q\.json is nested too deeply/),
    ]);
  });
});

describe('what YAML could do beside saying values', () => {
  test.each([
    ['tags of other languages', 'queue: { url: !!js/function "process.exit()" }', /tag/],
    ['tags of one’s own', 'startDate: !secret x', /tag/],
    ['a tag in the filter', undefined, /tag/],
    ['merge keys', 'monitor: { <<: { region: eu-west-1 } }', /unknown key/],
    ['merge keys of YAML 1.1', '%YAML 1.1', /YAML 1\.2/],
    ['the same key twice', 'startDate: 2024-10-01\nstartDate: 2024-10-02', /unique/],
    ['several documents', '---\nstartDate: 2024-10-01', /several documents/],
    ['an alias to what it stands in', 'monitor: &m { region: *m }', /a section is not a region/],
    ['an alias to nothing', 'startDate: *nothing', /alias/i],
  ])('%s', (_, yaml, why) => {
    const found =
      yaml === undefined
        ? filterProblems('{ a: !!python/object:os.system "x" }')
        : yaml.startsWith('%')
          ? problems({ files: { 'es-migrate.yaml': `${yaml}\n---\n${MINIMAL}` } })
          : problemsWith(`${yaml}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(why);
  });

  test('the same key twice in the file of --filter', () => {
    const cwd = workspace({ 'es-migrate.yaml': MINIMAL, 'q.json': '{"term":{"a":1},"term":{}}' });
    expect(problems({ cwd, flags: { filter: 'q.json' } })).toEqual([
      expect.stringMatching(/--filter: q\.json has the key "term" twice/),
    ]);
  });

  test('a few aliases are fine, in the filter too', () => {
    const yaml = withFilter('{ bool: { filter: [&t { term: { a: 1.10 } }, *t] } }');
    const { settings } = load({ files: { 'es-migrate.yaml': yaml } });
    expect(settings.source.filter).toBe(
      '{"bool":{"filter":[{"term":{"a":1.10}},{"term":{"a":1.10}}]}}',
    );
  });
});
