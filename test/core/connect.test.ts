import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/core/connect.js';
import type { RunEvent } from '../../src/core/run.js';
import { createIndex, related, settings as sourceSettings } from '../elasticsearch/support.js';
import { quietRun, settingsFor } from '../support/core.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { freshTracking } from '../support/tracking.js';

test('what the user should know of the indices is a warning, each once', async () => {
  const prefix = freshIndexPrefix();
  const properties = { timestamp: { type: 'date' }, key: { type: 'keyword', ignore_above: 9 } };
  await createIndex(`${prefix}messages`, { _source: { excludes: ['secret'] }, properties });
  await createIndex(`${prefix}records`, { _source: { mode: 'synthetic' }, properties });
  const tracking = await freshTracking();
  onTestFinished(() => tracking.drop());
  const source = sourceSettings({
    index: `${prefix}messages`,
    related: ['history', 'audit'].map((name) => related(name, `${prefix}records`, { key: 'key' })),
  });
  const events: RunEvent[] = [];
  const run = quietRun((event) => events.push(event));
  const connections = await connect(settingsFor(tracking, { source }), { source: true }, run);
  onTestFinished(() => connections.close());
  const warnings = events.flatMap((event) =>
    event.type === 'log' && event.level === 'warn' ? [event.message] : [],
  );
  expect(warnings).toEqual([
    expect.stringMatching(`^${prefix}messages: .*only a part of _source`),
    expect.stringMatching(`^${prefix}records: .*synthetic`),
    expect.stringMatching(`^${prefix}records.key \\(source.related.history\\) .*unindexed_key`),
    expect.stringMatching(`^${prefix}records.key \\(source.related.audit\\) .*unindexed_key`),
  ]);
});
