import { beforeEach, expect, test } from 'vitest';
import { hostileIds } from '../../sandbox/sample/ids.js';
import { sandboxCredentials } from '../objects/s3.js';
import { ids } from '../support/tracking.js';
import { differences, extractNow, indexed, processNow, verifyNow } from './support.js';

beforeEach(sandboxCredentials);

test.each([
  { target: 's3', layout: 'message' },
  { target: 's3', layout: 'batch' },
  { target: 'file', layout: 'message' },
] as const)('beside a running process nothing false is told: $target, $layout', async (options) => {
  const all = [...ids(3_000), ...hostileIds('b')];
  const { project } = await indexed({ ids: all, batchSize: 25, ...options });
  await extractNow(project);
  const state = { isOver: false };
  const processing = processNow(project).finally(() => (state.isOver = true));
  let sawPart = 0;
  let sawChange = 0;
  for (let level: 'counts' | 'objects' = 'objects'; !state.isOver;) {
    const verified = await verifyNow(project, { level });
    expect(differences(verified)).toEqual({});
    if (verified.changedMeanwhile) sawChange += 1;
    const { completed, tracked } = verified.counts;
    if (completed > 0 && completed < tracked) sawPart += 1;
    level = level === 'objects' ? 'counts' : 'objects';
  }
  await processing;
  expect(sawPart).toBeGreaterThan(0);
  expect(sawChange).toBeGreaterThan(0);
  expect(await verifyNow(project)).toMatchObject({
    ok: true,
    changedMeanwhile: false,
    checked: all.length,
  });
});
