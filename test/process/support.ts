import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Source } from '../../src/core/elasticsearch/source.js';
import type { Content, Target } from '../../src/core/objects/target.js';
import { carryBatch, type BatchOutcome, type Workshop } from '../../src/core/process/batch.js';
import { Budget } from '../../src/core/process/budget.js';
import { PageSize } from '../../src/core/process/page-size.js';
import type { MemoryShares } from '../../src/core/process/shares.js';
import type { BatchWriter, Document } from '../../src/core/process/writer.js';
import type { ClaimedBatch, ClaimedMessage } from '../../src/core/tracking/claims.js';
import type { RecordCount } from '../../src/core/tracking/outcomes.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { MIB, never } from '../elasticsearch/support.js';

export const claimed = (index: string, id: string): ClaimedMessage => ({
  id: Buffer.from(id),
  indexId: 1,
  index,
  attempts: 0,
});

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function bytesOf(content: Content): Promise<Buffer> {
  return content.kind === 'file' ? readFile(content.path) : Buffer.concat(content.chunks);
}

/** The same target but for one method. */
export function withMethod<K extends keyof Target>(target: Target, name: K, by: Target[K]): Target {
  return new Proxy(target, {
    get: (of, asked) => {
      if (asked === name) return by;
      const value: unknown = Reflect.get(of, asked, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}

/** Keeps documents in memory, by index and id; refuses a second one of the same message. */
export class MemoryWriter implements BatchWriter {
  readonly documents = new Map<string, string>();
  readonly revisions = new Map<string, number | undefined>();
  readonly counts = new Map<string, readonly RecordCount[] | undefined>();
  readonly #added: ClaimedMessage[] = [];
  staged = 0;
  discarded = 0;

  async add(
    message: ClaimedMessage,
    document: Document,
    revision: number | undefined,
    counts?: readonly RecordCount[],
  ): Promise<void> {
    const name = `${message.index}/${message.id.toString()}`;
    if (this.documents.has(name)) throw new Error(`${name} came twice`);
    if (document.kind === 'staged') this.staged += 1;
    const bytes = document.kind === 'bytes' ? document.bytes : await bytesOf(document.content);
    this.documents.set(name, bytes.toString());
    this.revisions.set(name, revision);
    this.counts.set(name, counts);
    this.#added.push(message);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  finish(): ReturnType<BatchWriter['finish']> {
    const outcomes = this.#added.map((message) => ({
      kind: 'completed' as const,
      message,
      url: 'memory:',
    }));
    return Promise.resolve({ outcomes });
  }

  discard(): Promise<void> {
    this.discarded += 1;
    return Promise.resolve();
  }
}

export interface Carried {
  readonly outcome: BatchOutcome;
  readonly writer: MemoryWriter;
  /** Documents by id. */
  readonly document: (id: string, index?: string) => string | undefined;
  /** Revisions by id. */
  readonly revision: (id: string) => number | undefined;
  /** Codes of the failed messages by id. */
  readonly failed: Readonly<Record<string, string>>;
}

/** Takes messages through a batch into memory. */
export async function carry(
  source: Source,
  messages: readonly ClaimedMessage[],
  sizes: Partial<MemoryShares> = {},
): Promise<Carried> {
  const shares: MemoryShares = {
    pageBytes: 8 * MIB,
    pageHold: 1,
    largeBytes: 64 * MIB,
    largeHold: 1,
    spoolBytes: MIB,
    documentBytes: 256 * MIB,
    uploads: 0,
    ...sizes,
  };
  const workshop: Workshop = {
    source,
    related: await source.inspectRelated([...new Set(messages.map(({ index }) => index))], never),
    budget: new Budget(0),
    shares,
    pageSize: new PageSize({ most: 10_000, briefMs: Infinity }),
    staging: await temporaryDirectory(),
  };
  const writer = new MemoryWriter();
  const batch: ClaimedBatch = {
    batchId: 1,
    jobId: 1,
    claim: 1,
    lease: newLease('test', 60),
    plainKeyIndex: undefined,
    messages,
  };
  const outcome = await carryBatch(workshop, batch, writer, never);
  const failed: Record<string, string> = {};
  for (const one of outcome.outcomes) {
    if (one.kind === 'failed') failed[one.message.id.toString()] = one.code;
  }
  return {
    outcome,
    writer,
    failed,
    revision: (id) => writer.revisions.get(`${messages[0]?.index ?? ''}/${id}`),
    document: (id, index = messages[0]?.index ?? '') => writer.documents.get(`${index}/${id}`),
  };
}
