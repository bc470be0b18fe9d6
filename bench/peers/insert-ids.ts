/**
 * Inserts ids into `message_tracking` as a plain program would: pages of 10,000, one statement and one transaction each,
 * one after the other. Reads the ids (in hexadecimal, one a line) from FILE; the password from BENCH_PASSWORD.
 *
 *   node insert-ids.js HOST PORT USER DATABASE FILE
 */
import { readFileSync } from 'node:fs';
import { createConnection } from 'mysql2/promise';

const [host = '', port = '', user = '', database = '', file = ''] = process.argv.slice(2);
const PAGE = 10_000;
const BATCH = 500;
const ids = readFileSync(file, 'latin1')
  .trim()
  .split('\n')
  .map((line) => Buffer.from(line, 'hex'));
const password = process.env['BENCH_PASSWORD'] ?? '';
const connection = await createConnection({ host, port: Number(port), user, password, database });
const began = performance.now();
for (let first = 0; first < ids.length; first += PAGE) {
  const rows = ids
    .slice(first, first + PAGE)
    .map((id, i) => [1 + Math.floor((first + i) / BATCH), id, 1, '2024-10-01']);
  await connection.query('START TRANSACTION');
  await connection.query(
    'INSERT IGNORE INTO message_tracking (batch_id, message_id, index_id, start_date) VALUES ?',
    [rows],
  );
  await connection.query('COMMIT');
}
const seconds = (performance.now() - began) / 1000;
await connection.end();
console.log(JSON.stringify({ seconds, ids: ids.length }));
