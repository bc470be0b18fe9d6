import { beforeAll, describe, expect, test } from 'vitest';
import { carryBatch, type Workshop } from '../../src/core/process/batch.js';
import { Budget } from '../../src/core/process/budget.js';
import { PageSize } from '../../src/core/process/page-size.js';
import { shareMemory } from '../../src/core/process/shares.js';
import type { BatchWriter, Document } from '../../src/core/process/writer.js';
import type { ClaimedMessage } from '../../src/core/tracking/claims.js';
import { bulk, createIndex, MIB, never, open } from '../elasticsearch/support.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { claimed, temporaryDirectory } from './support.js';

const MESSAGES = 600;
const BYTES = 20_000;
const index = `${freshIndexPrefix()}messages`;
const ids = Array.from({ length: MESSAGES }, (_, i) => `id-${i}`);

beforeAll(async () => {
  await createIndex(index, { properties: { text: { type: 'text', index: false } } });
  const source = `{"text":"${'x'.repeat(BYTES)}"}`;
  await bulk(
    index,
    ids.map((id) => ({ id, source })),
  );
});

/** Writes as slowly as it is told to. */
class SlowWriter implements BatchWriter {
  readonly #written: (added: number) => Promise<unknown>;
  readonly added: ClaimedMessage[] = [];
  /** Bytes of documents that are not written, and the most there were. */
  unwritten = 0;
  most = 0;
  #pending: { readonly bytes: number; readonly done: Promise<unknown> }[] = [];

  constructor(written: (added: number) => Promise<unknown>) {
    this.#written = written;
  }

  add(message: ClaimedMessage, document: Document): Promise<void> {
    if (document.kind !== 'bytes') throw new Error('a document was staged');
    const { length: bytes } = document.bytes;
    this.added.push(message);
    this.unwritten += bytes;
    this.most = Math.max(this.most, this.unwritten);
    const done = this.#written(this.added.length).then(() => (this.unwritten -= bytes));
    this.#pending.push({ bytes, done });
    return Promise.resolve();
  }

  async flush(): Promise<void> {
    await Promise.all(this.#pending.map(({ done }) => done));
  }

  async finish(): ReturnType<BatchWriter['finish']> {
    await this.flush();
    return { outcomes: [] };
  }

  async discard(): Promise<void> {
    await this.flush();
  }
}

async function carried(writer: SlowWriter, budget: number): Promise<Workshop> {
  const source = open({ index });
  const shares = shareMemory(budget, 1, 0, 512);
  const workshop: Workshop = {
    source,
    related: [],
    budget: new Budget(shares.documentBytes),
    shares,
    pageSize: new PageSize({ most: 50, briefMs: Infinity }),
    staging: await temporaryDirectory(),
  };
  const messages = ids.map((id) => claimed(index, id));
  await carryBatch(workshop, { messages }, writer, never);
  return workshop;
}

describe('while documents are uploaded', () => {
  test(
    'the next pages are read: nothing waits for the last upload of a page',
    { timeout: 30_000 },
    async () => {
      let all: () => void = () => undefined;
      const read = new Promise<void>((resolve) => (all = resolve));
      const writer = new SlowWriter((added) => {
        if (added === MESSAGES) all();
        return read;
      });
      await carried(writer, 256 * MIB);
      expect(writer.added).toHaveLength(MESSAGES);
      expect(writer.unwritten).toBe(0);
    },
  );

  test('no more is read than the budget holds', async () => {
    const writer = new SlowWriter(() => new Promise((resolve) => setTimeout(resolve, 20)));
    const { shares } = await carried(writer, 4 * MIB);
    expect(writer.added).toHaveLength(MESSAGES);
    expect(writer.most).toBeLessThanOrEqual(shares.documentBytes);
    expect(writer.most).toBeGreaterThan(BYTES);
  });
});
