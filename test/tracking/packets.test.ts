import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClaimedMessage } from '../../src/core/tracking/claims.js';
import type { Database } from '../../src/core/tracking/database.js';
import { completeBatch, type MessageOutcome } from '../../src/core/tracking/outcomes.js';
import { inPackets, literalBytes } from '../../src/core/tracking/packets.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import { migrateSchema } from '../../src/core/tracking/schema.js';
import { insertFindings } from '../../src/core/tracking/verify-findings.js';
import { idsOfKeys, messagesById, rememberKeys } from '../../src/core/tracking/verify-messages.js';
import { beginExtraction, claimed, contradictions, openDatabase } from '../support/tracking.js';
import { startOther, type OtherServer } from './other-server.js';

const PACKET = 1 << 20;
const DAMAGED = { kind: 'missing', detail: "'".repeat(1024) } as const;

/** 512 bytes each, that are told apart at their ends. */
const LONG_IDS = Array.from({ length: 10_000 }, (_, i) =>
  Buffer.from('\u{1F600}'.repeat(126) + String(i).padStart(8, '0')),
);

describe('a server that takes 1 MB at once, ids of 512 bytes, batches of 10,000', () => {
  let server: OtherServer;
  let database: Database;
  beforeAll(async () => {
    server = await startOther();
    await server.admin.query(`SET GLOBAL max_allowed_packet = ${PACKET}`);
    database = openDatabase(await server.database(), 3);
    await migrateSchema(database);
  });
  afterAll(async () => {
    await database.close();
    await server.admin.query('SET GLOBAL max_allowed_packet = DEFAULT');
    await server.stop();
  });

  const own = (message: ClaimedMessage): MessageOutcome => ({
    kind: 'completed',
    message,
    url: `s3://bucket/${encodeURIComponent(message.id.toString())}`.slice(0, 2000),
    object: { bytes: 1, sha256: Buffer.alloc(32, 1), etag: 'e'.repeat(64), revision: 1 },
  });
  const failed = (message: ClaimedMessage): MessageOutcome => ({
    kind: 'failed',
    message,
    stage: 'upload',
    code: 'upload_failed',
    detail: '"'.repeat(1024),
  });

  test('stores, fails, requeues and completes them', async () => {
    const { store } = await beginExtraction(database, { batchSize: 10_000 });
    expect(await store(LONG_IDS)).toMatchObject({ added: 10_000, batches: 1 });
    expect(await store(LONG_IDS)).toMatchObject({ added: 0 });
    const first = await claimed(database);
    expect(await completeBatch(database, first, first.messages.map(failed))).toBe(true);
    expect(await requeueFailed(database, { force: false, maxAttempts: 5 }, 10_000)).toBe(10_000);
    const second = await claimed(database);
    expect(second.messages).toHaveLength(10_000);
    expect(await completeBatch(database, second, second.messages.map(own))).toBe(true);
    expect(await contradictions(database)).toEqual([]);
  });

  test('verifies them: looks them up, keeps findings and hashed keys', async () => {
    const some = LONG_IDS.slice(0, 3000);
    expect(await messagesById(database, some)).toHaveLength(3000);
    const keys = some.map((id, i) => ({ id, sha256: Buffer.alloc(32, String(i)) }));
    await rememberKeys(database, 1, keys);
    const hashes = keys.map(({ sha256 }) => sha256);
    expect((await idsOfKeys(database, 1, hashes)).length).toBeGreaterThan(0);
    await database.transaction((on) =>
      insertFindings(
        on,
        1,
        some.slice(0, 1000).map((id) => ({
          ...DAMAGED,
          message: { id, indexId: 1 },
          key: '\u{1F600}'.repeat(1024),
        })),
      ),
    );
    expect(await database.rows('SELECT 1 FROM verify_findings')).toHaveLength(1000);
  });
});

describe('rows are cut into statements', () => {
  test.each([
    ['by their number', Array.from({ length: 25 }, () => 'a'), [10, 10, 5]],
    ['by their bytes', Array.from({ length: 5 }, () => 'a'.repeat(400_000)), [2, 2, 1]],
    ['one that is too long by itself is alone', ['a', 'a'.repeat(2 * PACKET), 'a'], [1, 1, 1]],
    ['none where there are none', [], []],
  ])('%s', (_, rows, sizes) => {
    const parts = [...inPackets(PACKET, rows, 10, (row) => row)];
    expect(parts.map((part) => part.length)).toEqual(sizes);
    expect(parts.flat()).toEqual(rows);
  });

  test('a value counts as what the driver writes for it', () => {
    expect(literalBytes('a"b')).toBe(6);
    expect(literalBytes('\u{1F600}')).toBe(6);
    expect(literalBytes(Buffer.alloc(512))).toBe(1027);
    expect(literalBytes([1, 'a'])).toBeGreaterThan('(1, "a")'.length);
    expect(literalBytes(null)).toBeGreaterThan(3);
  });
});
