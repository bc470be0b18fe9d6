import { MigrateError, usage } from '../errors.js';
import { Fault } from '../fault.js';
import { reached } from '../steps.js';
import type { Database, Statements } from './database.js';
import type { Lease } from './lease.js';
import { inPackets } from './packets.js';
import { utcDate } from './dates.js';
import { addOverlaps, type Holders } from './overlaps.js';
import { isHeld } from './windows.js';

/** A page of ids as one reader of a window read it. */
export interface Page {
  readonly jobId: number;
  readonly windowId: number;
  readonly slice: number;
  /** How many pages of this slice are stored before it. */
  readonly number: number;
  readonly messages: readonly { readonly id: Buffer; readonly indexId: number }[];
  /** The cursor behind the page: the last hit's sort values as JSON text. */
  readonly searchAfter: string | undefined;
  /** True where nothing follows in this slice. */
  readonly last: boolean;
}

export interface StoredPage {
  /** False where the job's lease was lost; nothing was stored then. */
  readonly held: boolean;
  readonly added: number;
  /** Batches made for them. */
  readonly batches: number;
}

type Row = [batchId: number, id: Buffer, indexId: number, startDate: string];

/** Rows of one INSERT. */
const ROWS_PER_STATEMENT = 10_000;
/** Ids looked up by one statement. */
const IDS_PER_STATEMENT = 1000;
/** Duplicate key: somebody else's insert came in between. */
const DUPLICATE = 1062;
const DATA_TOO_LONG = 1406;
/** Times that may happen to one page, each after a COMMIT of somebody else, before it is given up. */
const MOST_RACES = 100;

/**
 * Stores pages of ids in batches. One store belongs to one invocation of `extract`, which has one writer: pages
 * are stored one after the other.
 */
export class PageStore {
  readonly #database: Database;
  readonly #batchSize: number;
  readonly #lease: Lease;
  readonly #startDate: string;
  /** True once a page met messages that were there: the next is then looked up before it is inserted. */
  #meetsKnown = false;

  constructor(database: Database, options: { batchSize: number; lease: Lease; jobStart: number }) {
    this.#database = database;
    this.#batchSize = options.batchSize;
    this.#lease = options.lease;
    this.#startDate = utcDate(options.jobStart);
  }

  /**
   * Stores a page and the cursor behind it in one transaction (invariant 1), under the job's lease. Messages
   * that are tracked already stay as they are; those of other jobs are counted as duplicates, and which jobs that are
   * is stored, too.
   */
  async store(page: Page): Promise<StoredPage> {
    return this.#database.transaction(async (on) => {
      const cursor = await this.#moveCursor(on, page);
      if (cursor === 'lost') return { held: false, added: 0, batches: 0 };
      if (cursor === 'stored already') return { held: true, added: 0, batches: 0 };
      const { added, holders, batches } = await this.#insert(on, page);
      const duplicates = [...holders.values()].reduce((sum, messages) => sum + messages, 0);
      await on.change('UPDATE job_runs SET extracted = extracted + ? WHERE job_id = ?', [
        added,
        page.jobId,
      ]);
      await on.change(
        `UPDATE extract_windows SET read_messages = read_messages + ?, duplicates = duplicates + ?
         WHERE job_id = ? AND window_id = ?`,
        [page.messages.length, duplicates, page.jobId, page.windowId],
      );
      await addOverlaps(on, page, holders);
      reached('page-inserted');
      return { held: true, added, batches };
    });
  }

  /** Compare and set on the page's number: a page whose COMMIT went through unheard is not stored twice. */
  async #moveCursor(on: Statements, page: Page): Promise<'moved' | 'stored already' | 'lost'> {
    if (!(await isHeld(on, { jobId: page.jobId, lease: this.#lease }))) return 'lost';
    const { affectedRows } = await on.change(
      `UPDATE extract_cursors SET pages = pages + 1, search_after = COALESCE(?, search_after), finished = ?
       WHERE job_id = ? AND window_id = ? AND slice = ? AND pages = ?`,
      [page.searchAfter ?? null, page.last, page.jobId, page.windowId, page.slice, page.number],
    );
    if (affectedRows === 1) return 'moved';
    const stored = await on.rows(
      'SELECT 1 FROM extract_cursors WHERE job_id = ? AND window_id = ? AND slice = ? AND pages > ?',
      [page.jobId, page.windowId, page.slice, page.number],
    );
    // Neither: the window was begun again.
    return stored.length > 0 ? 'stored already' : 'lost';
  }

  async #insert(
    on: Statements,
    page: Page,
  ): Promise<{ added: number; holders: Holders; batches: number }> {
    let known = this.#meetsKnown ? await withoutKnown(on, page) : undefined;
    await on.change('SAVEPOINT page');
    for (let races = 0; races <= MOST_RACES; races += 1) {
      const unknown = known?.unknown ?? page.messages;
      const batches = await this.#insertInBatches(on, page.jobId, unknown);
      if (batches !== undefined) {
        this.#meetsKnown = unknown.length < page.messages.length;
        return { added: unknown.length, holders: known?.holders ?? new Map(), batches };
      }
      // Some are there already.
      await on.change('ROLLBACK TO SAVEPOINT page');
      known = await withoutKnown(on, page);
    }
    throw new MigrateError('busy', 'others keep storing the same messages at the same time', {
      advice:
        'Run the same command again once the other extractions over this index have ended; it goes on where it stopped.',
    });
  }

  /**
   * Fills the job's last batch, if nobody has claimed it, then new ones.
   *
   * @returns how many batches were made; undefined where one of the messages is there already
   */
  async #insertInBatches(
    on: Statements,
    jobId: number,
    messages: Page['messages'],
  ): Promise<number | undefined> {
    if (messages.length === 0) return 0;
    const open = await this.#openBatch(on, jobId);
    const room = Math.min(open ? this.#batchSize - open.total : 0, messages.length);
    if (open) await fill(on, open.batchId, room);
    const made = await makeBatches(on, jobId, cutInto(this.#batchSize, messages.length - room));
    const parts = open ? [{ batchId: open.batchId, total: room }, ...made] : made;
    const rows: Row[] = [];
    for (const { batchId, total } of parts) {
      for (const { id, indexId } of messages.slice(rows.length, rows.length + total))
        rows.push([batchId, id, indexId, this.#startDate]);
    }
    return (await insertNew(on, rows)) ? made.length : undefined;
  }

  async #openBatch(
    on: Statements,
    jobId: number,
  ): Promise<{ batchId: number; total: number } | undefined> {
    const [batch] = await on.rows<{ batch_id: number; total_messages: number }>(
      `SELECT batch_id, total_messages FROM batch_progress
       WHERE batch_id = (SELECT MAX(batch_id) FROM batch_progress WHERE job_id = ?)
         AND status = 'pending' AND claims = 0 AND total_messages < ? FOR UPDATE SKIP LOCKED`,
      [jobId, this.#batchSize],
    );
    return batch && { batchId: batch.batch_id, total: batch.total_messages };
  }
}

/** As many full parts as there are, and one of what is left. */
function cutInto(size: number, count: number): number[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) =>
    Math.min(size, count - i * size),
  );
}

/**
 * Makes batches of so many messages each by one statement. The server tells the first: the others
 * follow at the server's own step, which is not 1 in a cluster (MySQL manual, "InnoDB AUTO_INCREMENT Lock Modes": simple
 * inserts). They are looked up, since rows of a batch that does not exist would never be claimed.
 */
async function makeBatches(
  on: Statements,
  jobId: number,
  totals: readonly number[],
): Promise<{ batchId: number; total: number }[]> {
  if (totals.length === 0) return [];
  const { insertId } = await on.change(
    'INSERT INTO batch_progress (job_id, total_messages) VALUES ?',
    [totals.map((total) => [jobId, total])],
  );
  const made = await on.rows<{ batch_id: number; total_messages: number }>(
    `SELECT batch_id, total_messages FROM batch_progress
     WHERE job_id = ? AND batch_id BETWEEN ? AND ? + ? * @@auto_increment_increment
       AND (batch_id - ?) % @@auto_increment_increment = 0 ORDER BY batch_id`,
    [jobId, insertId, insertId, totals.length - 1, insertId],
  );
  const isAsInserted =
    made.length === totals.length && totals.every((total, i) => made[i]?.total_messages === total);
  // The step may change between two statements, where a node joins a cluster or leaves it: the page is stored anew.
  if (!isAsInserted)
    throw new Fault(
      'MySQL',
      'retriable',
      'STEP_CHANGED',
      'MySQL: inserted batches were not found',
      {
        lasting: {
          kind: 'usage',
          says: 'auto_increment_increment of MySQL has been changing',
          advice: 'Set auto_increment_increment at the MySQL server to one value for all nodes.',
        },
      },
    );
  return made.map((row) => ({ batchId: row.batch_id, total: row.total_messages }));
}

async function fill(on: Statements, batchId: number, messages: number): Promise<void> {
  await on.change(
    'UPDATE batch_progress SET total_messages = total_messages + ? WHERE batch_id = ?',
    [messages, batchId],
  );
}

/**
 * Inserts rows that are not there yet; false where one is. Without IGNORE, which would turn errors (an id cut to fit, a bad
 * date) into warnings, of which the server may keep none.
 */
async function insertNew(on: Statements, rows: readonly Row[]): Promise<boolean> {
  for (const part of inPackets(on.packetBytes, rows, ROWS_PER_STATEMENT, (row) => row)) {
    try {
      const { affectedRows } = await on.change(
        'INSERT INTO message_tracking (batch_id, message_id, index_id, start_date) VALUES ?',
        [part],
      );
      if (affectedRows !== part.length)
        throw new Error(`MySQL stored ${affectedRows} of ${part.length} messages`);
    } catch (error) {
      const { errno, message } = error as { errno?: number; message: string };
      if (errno === DUPLICATE) return false;
      if (errno !== DATA_TOO_LONG) throw error;
      throw new Error(`MySQL would not store a message's id as it is: ${message}`, {
        cause: error,
      });
    }
  }
  return true;
}

/**
 * The page's messages that are not tracked yet, each once, and which other jobs hold how many of the others.
 *
 * @throws MigrateError `usage` where one is tracked in a batch that is not there: it can be neither stored nor processed
 */
async function withoutKnown(
  on: Statements,
  { jobId, messages }: Page,
): Promise<{ unknown: Page['messages']; holders: Holders }> {
  const known = new Map<string, number>();
  for (const part of inPackets(on.packetBytes, messages, IDS_PER_STATEMENT, ({ id }) => id)) {
    const rows = await on.rows<{
      message_id: Buffer;
      index_id: number;
      batch_id: number;
      job_id: number | null;
    }>(
      `SELECT t.message_id, t.index_id, t.batch_id, b.job_id FROM message_tracking t FORCE INDEX (message)
       LEFT JOIN batch_progress b ON b.batch_id = t.batch_id WHERE t.message_id IN (?)`,
      [part.map(({ id }) => id)],
    );
    for (const row of rows) {
      if (row.job_id === null) throw withoutBatch(row.message_id, row.batch_id);
      known.set(keyOf(row.message_id, row.index_id), row.job_id);
    }
  }
  const seen = new Set<string>();
  const unknown: Page['messages'][number][] = [];
  const holders = new Map<number, number>();
  for (const message of messages) {
    const key = keyOf(message.id, message.indexId);
    const owner = known.get(key);
    if (owner === undefined && !seen.has(key)) unknown.push(message);
    else if (owner !== undefined && owner !== jobId)
      holders.set(owner, (holders.get(owner) ?? 0) + 1);
    seen.add(key);
  }
  return { unknown, holders };
}

function withoutBatch(id: Buffer, batchId: number): MigrateError {
  return usage(
    `message ${JSON.stringify(id.toString('utf8').slice(0, 100))} is tracked in batch ${batchId}, which is not there: rows of batch_progress are lost`,
    `Restore batch_progress from its backup; or see with es-migrate verify --level counts which other batches are lost, delete their rows (DELETE FROM message_tracking WHERE batch_id = ${batchId}) and run the same command again, which tracks these messages again.`,
  );
}

function keyOf(id: Buffer, indexId: number): string {
  return `${indexId}/${id.toString('latin1')}`;
}
