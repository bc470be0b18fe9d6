import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TrackingSettings } from '../../src/core/settings.js';
import type { ClaimedMessage } from '../../src/core/tracking/claims.js';
import { countBatches } from '../../src/core/tracking/counters.js';
import { Database } from '../../src/core/tracking/database.js';
import { completeBatch, type MessageOutcome } from '../../src/core/tracking/outcomes.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import { migrateSchema } from '../../src/core/tracking/schema.js';
import {
  batchRows,
  beginExtraction,
  claimed,
  contradictions,
  messageRows,
  openDatabase,
  processAll,
} from '../support/tracking.js';
import { startOther, type OtherServer } from './other-server.js';
import { WORST_SESSIONS } from './worst-sessions.js';

let server: OtherServer;
beforeAll(async () => {
  server = await startOther();
});
afterAll(() => server.stop());

/** Of more than one byte a character, or tempting to escape. */
const IDS = ['ä', 'a\u0308', '\u{1F600}', '\ufffd', 'a ', 'a', 'A', "'", '\\', '"', 'x\0y', '||'];
const INDEX = 'nachrichten-\u00e4\u{1F600}';

const urlOf = (id: Buffer) => `s3://bucket/pr\u00e4fix-\u{1F600}/${id.toString('hex')}.json`;
const ownObject = (message: ClaimedMessage): MessageOutcome => ({
  kind: 'completed',
  message,
  url: urlOf(message.id),
  object: { bytes: 1, sha256: Buffer.alloc(32), etag: 'e', revision: 1 },
});

/** What single statements change on any of three connections, others see. */
async function isCommitted(database: Database, name: string): Promise<void> {
  const names = ['seen 1', 'seen 2', 'seen 3'];
  await Promise.all(
    names.map((seen) => database.change('INSERT INTO source_indices (name) VALUES (?)', [seen])),
  );
  const [seen] = await server.admin.query(`SELECT 1 FROM ${name}.source_indices`);
  expect(seen).toHaveLength(3);
  await database.change('DELETE FROM source_indices');
}

/** A whole small job at the tracking database: extract, process, some failures, retry; every counter fits the rows. */
async function wholeJob(settings: TrackingSettings): Promise<void> {
  const database = openDatabase(settings, 3);
  try {
    await migrateSchema(database);
    const before = Date.now() - 60_000;
    await isCommitted(database, settings.database);
    const { store } = await beginExtraction(database, { batchSize: 40, index: INDEX });
    const ids = [...IDS, ...Array.from({ length: 88 }, (_, i) => `message ${i}`)];
    expect(await store(ids)).toMatchObject({ added: 100 });
    expect(await store(ids.slice(0, 50))).toMatchObject({ added: 0 });
    const batch = await claimed(database);
    expect(await completeBatch(database, batch, batch.messages.map(ownObject))).toBe(true);
    await processAll(database, (id) => (id.endsWith('7') ? 'upload_failed' : undefined));
    expect(await contradictions(database)).toEqual([]);
    const scope = { force: false, maxAttempts: 5 };
    expect(await requeueFailed(database, scope, 40)).toBe(6);
    await processAll(database);
    expect(await contradictions(database)).toEqual([]);
    const counts = await countBatches(database);
    expect(counts.messages).toMatchObject({
      total: 100,
      pending: 0,
      inProgress: 0,
      completed: 100,
    });
    const messages = await messageRows(database);
    expect(messages.map(({ id }) => id.toString()).sort()).toEqual(ids.sort());
    const paths = messages.filter(({ batch_id }) => batch_id === batch.batchId);
    expect(paths.map(({ s3_path }) => s3_path)).toEqual(paths.map(({ id }) => urlOf(id)));
    expect((await batchRows(database)).every(({ status }) => status === 'completed')).toBe(true);
    const rows = await database.rows<{ name: string; at: Date }>(
      'SELECT i.name, j.created_at AS at FROM source_indices i, job_runs j',
    );
    expect(rows.map(({ name }) => name)).toEqual([INDEX]);
    expect(rows[0]?.at.getTime()).toBeGreaterThan(before);
  } finally {
    await database.close();
  }
}

describe('a whole job, whatever a session begins with', () => {
  test.each(WORST_SESSIONS)('%s', async (_, worst) => {
    if (worst.needs !== undefined && !(await server.knows(worst.needs))) {
      // Of the other server: there it is tested, here it cannot be set.
      expect(await server.knows('version')).toBe(true);
      return;
    }
    const settings = await server.database();
    await server.under(worst, () => wholeJob(settings));
  });
});

test('a batch of 2,000 messages where SELECT gives 1,000 rows: all of them are claimed', async () => {
  const settings = await server.database();
  await server.under({ initConnect: 'SET SESSION sql_select_limit = 1000' }, async () => {
    const database = openDatabase(settings, 2);
    try {
      await migrateSchema(database);
      const { store } = await beginExtraction(database, { batchSize: 2000 });
      await store(Array.from({ length: 2000 }, (_, i) => `message ${i}`));
      const batch = await claimed(database);
      expect(batch.messages).toHaveLength(2000);
      await completeBatch(database, batch, batch.messages.map(ownObject));
      expect(await contradictions(database)).toEqual([]);
    } finally {
      await database.close();
    }
  });
});

describe('a database of another character set', () => {
  test.each(['latin1', 'utf8mb3', 'ucs2', 'utf16', 'binary'])('%s', async (charset) => {
    await wholeJob(await server.database(`CHARACTER SET ${charset}`));
  });
});

describe('what cannot be had is told in one line', () => {
  const failure = async () => {
    const database = new Database(
      await server.database(),
      { retryForMs: 0, report: () => undefined },
      1,
    );
    try {
      return await database.rows('SELECT 1').catch((error: unknown) => error);
    } finally {
      await database.close();
    }
  };

  test('an init_connect that fails', async () => {
    await server.under({ initConnect: 'SELECT nothing FROM nowhere' }, async () => {
      expect(await failure()).toMatchObject({
        kind: 'usage',
        message: 'MySQL closes every connection of this user: its setting init_connect fails',
        advice: expect.stringMatching(/^Correct init_connect at the MySQL server/) as string,
      });
    });
  });

  test('the number of the next row, which cannot be taken back', async () => {
    await server.under({ initConnect: 'SET insert_id = 77' }, async () => {
      expect(await failure()).toMatchObject({
        kind: 'usage',
        message: expect.stringContaining("MySQL's setting insert_id is '77'") as string,
        advice: expect.stringContaining('init_connect') as string,
      });
    });
  });

  test('statements that are too short', async () => {
    const before = '@@GLOBAL.max_allowed_packet';
    await server.under(
      {
        global: {
          set: `SET @before = ${before}; SET GLOBAL max_allowed_packet = 524288`,
          undo: 'SET GLOBAL max_allowed_packet = @before',
        },
      },
      async () => {
        expect(await failure()).toMatchObject({
          kind: 'usage',
          message: expect.stringContaining('(max_allowed_packet)') as string,
          advice: expect.stringContaining('SET GLOBAL max_allowed_packet = 1048576') as string,
        });
      },
    );
  });
});
