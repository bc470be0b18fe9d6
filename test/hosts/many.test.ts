import { describe, expect, it } from 'vitest';
import { runBinary } from '../support/binary.js';
import { auditLeases, handOvers } from '../support/lease-audit.js';
import { makeProject } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { compareAll } from '../support/whole.js';
import { query } from '../end-to-end/landed.js';
import { holdingProxy } from './holding-proxy.js';
import { loadMessages, RANGE } from './messages.js';

describe('four processes on one database', () => {
  it.each(['message', 'batch'] as const)(
    'share the batches, layout %s: each is claimed once, each object uploaded once',
    async (layout) => {
      const messages = await loadMessages({ count: 600 });
      const settings = { batchSize: 10, concurrency: 3 };
      const project = await makeProject({ indices: messages.indices, layout, settings });
      const proxy = await holdingProxy(sandbox().s3.endpoint, 'nothing');
      await project.configure({ ...settings, target: { endpoint: proxy.endpoint } });
      expect((await runBinary(['extract', ...RANGE], project)).code).toBe(0);
      await auditLeases(project);

      const ends = await Promise.all(
        Array.from({ length: 4 }, () => runBinary(['process', '--json'], project)),
      );

      // 4: it found nothing left while another had not finished its last batch.
      for (const { code, stderr } of ends) expect([0, 4], stderr).toContain(code);
      const outcomes = ends.map(({ stdout }) => JSON.parse(stdout) as { completed: number });
      expect(outcomes.reduce((sum, { completed }) => sum + completed, 0)).toBe(600);
      expect(await handOvers(project)).toEqual({ takeovers: 0, stolen: 0 });
      const claims = await query(project, 'SELECT DISTINCT claims FROM batch_progress');
      expect(claims).toEqual([{ claims: 1 }]);
      expect(new Set(proxy.puts.values())).toEqual(new Set([1]));
      expect(proxy.puts.size).toBe(layout === 'message' ? 600 : 60);
      expect((await compareAll(project, messages.expected, { layout })).wrong).toEqual([]);
    },
  );
});
