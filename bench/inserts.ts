/**
 * Multi-row INSERT IGNORE against LOAD DATA LOCAL … IGNORE, into the table's own keys, with random ids in pages of
 * 10,000: which of the two stores pages faster. Alternating in one run, since the machine's speed drifts.
 *
 *   node scripts/setup.mjs && npx --yes tsx bench/inserts.ts
 */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { createConnection, type Connection } from 'mysql2/promise';
import { startSandbox } from '../sandbox/index.js';

const PAGE = 10_000;
const PAGES = 20;
const ROUNDS = 3;

const TABLE = `(batch_id BIGINT UNSIGNED NOT NULL, message_id VARBINARY(512) NOT NULL, index_id INT UNSIGNED NOT NULL,
  status ENUM('pending', 'in_progress', 'completed', 'failed') NOT NULL DEFAULT 'pending', start_date DATE NOT NULL,
  PRIMARY KEY (batch_id, message_id, index_id), UNIQUE KEY message (message_id, index_id))`;

type Row = [batch: number, id: string, index: number, date: string];

async function insert(connection: Connection, rows: Row[]): Promise<void> {
  const sql = 'INSERT IGNORE INTO bench (batch_id, message_id, index_id, start_date) VALUES ?';
  await connection.query(sql, [
    rows.map(([batch, id, index, date]) => [batch, Buffer.from(id), index, date]),
  ]);
}

async function load(connection: Connection, rows: Row[]): Promise<void> {
  const text = rows.map(
    ([batch, id, index, date]) =>
      `${batch}\t${Buffer.from(id).toString('hex')}\t${index}\t${date}\n`,
  );
  await connection.query({
    sql: `LOAD DATA LOCAL INFILE 'page' IGNORE INTO TABLE bench
          (batch_id, @id, index_id, start_date) SET message_id = UNHEX(@id)`,
    infileStreamFactory: () => Readable.from([Buffer.from(text.join(''))], { objectMode: false }),
  });
}

async function rate(connection: Connection, store: typeof insert): Promise<number> {
  await connection.query('DROP TABLE IF EXISTS bench');
  await connection.query(`CREATE TABLE bench ${TABLE}`);
  const pages = Array.from({ length: PAGES }, (_, page) =>
    Array.from({ length: PAGE }, (__, i): Row => [
      page * 20 + Math.floor(i / 500),
      randomUUID(),
      1,
      '2024-10-01',
    ]),
  );
  const began = performance.now();
  for (const page of pages) {
    await connection.query('START TRANSACTION');
    await store(connection, page);
    await connection.query('COMMIT');
  }
  return (PAGE * PAGES) / ((performance.now() - began) / 1000);
}

const median = (numbers: number[]) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

const sandbox = await startSandbox({ servers: ['mysql'] });
const { host, port, user, password, database } = sandbox.mysql;
const connection = await createConnection({ host, port, user, password, database });
try {
  await connection.query('SET GLOBAL local_infile = 1');
  const inserts: number[] = [];
  const loads: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    inserts.push(await rate(connection, insert));
    loads.push(await rate(connection, load));
  }
  const ratios = inserts.map((rows, round) => rows / (loads[round] ?? rows));
  console.log(`INSERT IGNORE  ${Math.round(median(inserts))} rows/s`);
  console.log(`LOAD DATA      ${Math.round(median(loads))} rows/s`);
  console.log(
    `ratio          ${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
  );
} finally {
  await connection.end();
  await sandbox.stop();
}
