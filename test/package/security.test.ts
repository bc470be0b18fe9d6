import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

test('SECURITY.md names a test for each threat, and each is there', async () => {
  const root = new URL('../../', import.meta.url);
  const text = await readFile(new URL('SECURITY.md', root), 'utf8');
  const threats = text.split('\n').filter((line) => /^\| (?!-|threat)/.test(line));
  expect(threats.length).toBeGreaterThan(20);
  for (const line of threats) {
    const tests = line.match(/test\/[\w/-]+\.test\.ts/g) ?? [];
    expect(tests, line).not.toEqual([]);
    expect(tests.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  }
});
