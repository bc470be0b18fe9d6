/** Stores that take `If-None-Match` and write all the same. */
import { beforeEach, describe, expect, it } from 'vitest';
import { loadMessages, RANGE } from '../hosts/messages.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshPrefix, sandbox } from '../support/sandbox.js';
import { compareAll } from '../support/whole.js';
import { never, readAll } from './contents.js';
import { ignoringStore } from './ignoring-store.js';
import { body, observer, open, sandboxCredentials } from './s3.js';

beforeEach(sandboxCredentials);

const owner = { databaseId: '4c0d5c4e-5d1b-4c92-9a5c-1f6b1f0f8a11' };
const ignoring = async () => ignoringStore(sandbox().s3.endpoint, observer());

describe('a store that ignores conditions', () => {
  it('is recognised when the prefix is claimed, each time', async () => {
    const [endpoint, prefix] = [(await ignoring()).endpoint, freshPrefix()];
    const claim = async () => (await open({ endpoint, prefix })).claimPrefix(owner, never);
    expect([await claim(), await claim()]).toEqual(Array(2).fill({ ignoresConditions: true }));
    const heeding = await (await open({ prefix })).claimPrefix(owner, never);
    expect(heeding).toEqual({ ignoresConditions: false });
  });

  it.each(['claimed it', 'was told by another process'])(
    'gets nothing replaced unseen by who %s',
    async (who) => {
      const [endpoint, prefix] = [(await ignoring()).endpoint, freshPrefix()];
      const others = await open({ prefix });
      await others.put('a', await body('of another'), never);
      const claims = who === 'claimed it';
      const known = claims ? undefined : { ignoresConditions: true };
      const target = await open({ endpoint, prefix }, known);
      if (claims) await target.claimPrefix(owner, never);
      const asked = async () => Promise.reject(new Error('the lease is lost'));
      await expect(target.put('a', await body('ours'), never, asked)).rejects.toThrow('is lost');
      const there = await others.get(others.urlOf('a'), never);
      expect((await readAll(there)).toString()).toBe('of another');
    },
  );

  it('is named once, and each process of a command looks before it writes', async () => {
    const { endpoint, ignored } = await ignoring();
    const messages = await loadMessages({ count: 100 });
    const settings = { batchSize: 10, target: { endpoint } };
    const project = await makeProject({ indices: messages.indices, layout: 'message', settings });
    expect((await runBinary(['extract', ...RANGE], project)).code).toBe(0);
    const ended = await runBinary(['process', '--processes', '2'], project);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr.match(/ignores If-None-Match/g)).toHaveLength(1);
    expect(ignored.filter((key) => !key.endsWith('/_es-migrate.json'))).toEqual([]);
    expect((await compareAll(project, messages.expected, { layout: 'message' })).wrong).toEqual([]);
  });
});
