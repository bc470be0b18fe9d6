import { describe, expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { compareAll } from '../support/whole.js';
import { loadMessages } from './messages.js';

describe('two extractions of overlapping ranges at once', () => {
  it('track each message once, and both jobs say what they found', async () => {
    const messages = await loadMessages({ count: 700 });
    const settings = { batchSize: 50 };
    const project = await makeProject({ indices: messages.indices, layout: 'batch', settings });
    expect((await runBinary(['db', 'migrate'], project)).code).toBe(0);
    const options = { ...project, preload: ['small-pages.mjs'] as const };
    const ranges = [
      ['--from', '2024-10-01', '--to', '2024-10-05'],
      ['--from', '2024-10-03', '--to', '2024-10-07'],
    ];
    const ends = await Promise.all(
      ranges.map((range) => runBinary(['extract', ...range, '--json'], options)),
    );
    for (const { code, stderr } of ends) expect(code, stderr).toBe(0);
    const results = ends.map(
      ({ stdout }) =>
        JSON.parse(stdout) as { expected: number; extracted: number; duplicates: number },
    );
    for (const { expected, extracted, duplicates } of results) {
      expect(expected).toBe(500);
      expect(extracted + duplicates).toBe(500);
    }
    // The three days of both are the one's or the other's.
    expect(results.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(300);
    expect((await query(project, 'SELECT 1 FROM message_tracking')).length).toBe(700);
    expect((await runBinary(['process'], project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'batch', jobs: 2 });
    expect(whole.wrong).toEqual([]);
  });
});
