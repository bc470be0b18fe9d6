import { beforeEach, expect, test } from 'vitest';
import { markerKey } from '../../src/core/objects/marker.js';
import { sandboxCredentials } from '../objects/s3.js';
import { ids } from '../support/tracking.js';
import { differences, migrated, plant, remove, stored, verifyNow } from './support.js';

beforeEach(sandboxCredentials);

test('a marker that was written by somebody else excuses nothing', async () => {
  const { project } = await migrated({ ids: ids(3) });
  const marker = JSON.parse((await stored(project, markerKey)).toString()) as {
    readonly keys: object;
  };
  const [first] = ids(3);
  const forged = {
    ...marker,
    keys: { ...marker.keys, message: 'elsewhere/{id}.json' },
    accepted: [first],
    missing: 0,
    verified: true,
  };
  await remove(project, `messages/${encodeURIComponent(first ?? '')}.json`);
  const deep = `"nested":${'['.repeat(500)}${']'.repeat(500)}`;
  await plant(project, markerKey, JSON.stringify(forged).replace('{', `{${deep},`));
  const verified = await verifyNow(project);
  expect(verified.ok).toBe(false);
  expect(differences(verified)).toMatchObject({ missing: 1 });
});
