/**
 * Stores pages of 10,000 random ids in the tracking table's own keys, by multi-row INSERT IGNORE or by LOAD DATA LOCAL …
 * IGNORE. The password comes from BENCH_PASSWORD.
 *
 *   node inserts.js insert|load HOST PORT USER DATABASE PAGES
 */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { createConnection } from 'mysql2/promise';

type Row = [batch: number, id: string, index: number, date: string];

const [how = '', host = '', port = '', user = '', database = '', count = ''] =
  process.argv.slice(2);
const PAGE = 10_000;
const BATCH = 500;
const password = process.env['BENCH_PASSWORD'] ?? '';
const connection = await createConnection({ host, port: Number(port), user, password, database });

async function insert(rows: readonly Row[]): Promise<void> {
  const sql =
    'INSERT IGNORE INTO message_tracking (batch_id, message_id, index_id, start_date) VALUES ?';
  await connection.query(sql, [
    rows.map(([batch, id, index, date]) => [batch, Buffer.from(id), index, date]),
  ]);
}

async function load(rows: readonly Row[]): Promise<void> {
  const text = rows.map(
    ([batch, id, index, date]) =>
      `${batch}\t${Buffer.from(id).toString('hex')}\t${index}\t${date}\n`,
  );
  await connection.query({
    sql: `LOAD DATA LOCAL INFILE 'page' IGNORE INTO TABLE message_tracking
          (batch_id, @id, index_id, start_date) SET message_id = UNHEX(@id)`,
    infileStreamFactory: () => Readable.from([Buffer.from(text.join(''))], { objectMode: false }),
  });
}

const store = how === 'load' ? load : insert;
const pages = Array.from({ length: Number(count) }, (_, page) =>
  Array.from({ length: PAGE }, (__, i): Row => {
    return [1 + page * (PAGE / BATCH) + Math.floor(i / BATCH), randomUUID(), 1, '2024-10-01'];
  }),
);
const began = performance.now();
for (const page of pages) {
  await connection.query('START TRANSACTION');
  await store(page);
  await connection.query('COMMIT');
}
const seconds = (performance.now() - began) / 1000;
await connection.end();
console.log(JSON.stringify({ seconds, rows: PAGE * pages.length }));
