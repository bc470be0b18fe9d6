import { beforeEach, expect, test } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { put, refresh } from '../elasticsearch/support.js';
import { sandboxCredentials } from '../objects/s3.js';
import { ids } from '../support/tracking.js';
import { extractNow, indexed, processNow, stored } from '../verify/support.js';

beforeEach(sandboxCredentials);

test('documents that nobody can read again fail alone, and comments in others become spaces', async () => {
  const { project, index } = await indexed({ ids: ids(6) });
  const at = `"timestamp":"2024-10-01T12:00:00Z"`;
  // Elasticsearch takes all of these, and gives back what stands behind and before them, too.
  await put(index, 'behind', `{${at}} // "},{"`);
  await put(index, 'before', `/* x */{${at}}`);
  await put(index, 'within', `{${at}, // " }\n"b":/*]*/1}`);
  await refresh(index);
  await extractNow(project);
  await processNow(project);
  const rows = await query<never>(
    project,
    'SELECT CONVERT(message_id USING utf8mb4) AS id, status, error_code AS code FROM message_tracking ORDER BY 1',
  );
  const failed = { status: 'failed', code: 'source_refused' };
  expect(rows).toHaveLength(9);
  expect(rows).toEqual(
    expect.arrayContaining([
      { id: 'before', ...failed },
      { id: 'behind', ...failed },
      { id: 'within', status: 'completed', code: null },
    ]),
  );
  expect(rows.filter(({ status }: { status: string }) => status === 'failed')).toHaveLength(2);
  const document = (await stored(project, 'messages/within.json')).toString();
  expect(document).toContain(`"message":{${at},        "b":     1}`);
  expect(JSON.parse(document)).toMatchObject({ message: { b: 1 } });
});
