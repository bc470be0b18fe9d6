import { basename } from 'node:path/posix';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { contentChunks } from '../objects/content.js';
import { batchIndexKey, batchKey } from '../objects/keys.js';
import type { Spool } from '../objects/spool.js';
import type { Content } from '../objects/target.js';
import { reached } from '../steps.js';
import type { ClaimedBatch, ClaimedMessage } from '../tracking/claims.js';
import type { BatchObject, MessageOutcome, RecordCount } from '../tracking/outcomes.js';
import { indexText, type IndexedDocument } from './batch-index.js';
import { failure, idOf } from './fetch.js';
import { GZIP, MemberWriter } from './members.js';
import { upload, type UploadContext } from './message-writer.js';
import type { BatchWriter, Document } from './writer.js';

/**
 * Something else lies under a key that only this claim of the batch writes to: the tracking database was put back in time, and
 * has given the number twice. It stays; the next claim has another key.
 */
export class KeyTaken extends Error {
  override readonly name = 'KeyTaken';
}

/** Layout `batch`: one `.ndjson.gz` for the batch, a document a line, and under `_index/` the index of its members. */
export class ObjectWriter implements BatchWriter {
  readonly #context: Omit<UploadContext, 'beforeReplacing'>;
  readonly #batch: ClaimedBatch;
  readonly #spools: { readonly object: Spool; readonly index: Spool };
  readonly #members: MemberWriter;
  readonly #messages: ClaimedMessage[] = [];
  readonly #counts: (readonly RecordCount[] | undefined)[] = [];
  readonly #documents: IndexedDocument[] = [];

  constructor(
    context: Omit<UploadContext, 'beforeReplacing'>,
    batch: ClaimedBatch,
    spools: { readonly object: Spool; readonly index: Spool },
  ) {
    this.#context = context;
    this.#batch = batch;
    this.#spools = spools;
    this.#members = new MemberWriter(spools.object);
  }

  async add(
    message: ClaimedMessage,
    document: Document,
    revision: number | undefined,
    counts?: readonly RecordCount[],
  ): Promise<void> {
    this.#messages.push(message);
    this.#counts.push(counts);
    const place =
      document.kind === 'bytes'
        ? await this.#members.line(document.bytes.length, [document.bytes])
        : await this.#members.line(document.content.bytes, contentChunks(document.content));
    this.#documents.push({
      message_id: idOf(message),
      index: message.index,
      ...place,
      revision: revision ?? null,
    });
  }

  /** Documents were copied into members, of which few are in memory, but for the last, less than a member. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  async finish(): Promise<{ outcomes: readonly MessageOutcome[]; object?: BatchObject }> {
    if (this.#messages.length === 0) return { outcomes: [] };
    const members = await this.#members.finish();
    const object = await this.#spools.object.finish();
    const index = await this.#writeIndex(object, members);
    const { jobId, batchId, claim } = this.#batch;
    // The index first: whoever finds the object finds its index.
    const storedIndex = await this.#upload(batchIndexKey(jobId, batchId, claim), index);
    if ('refused' in storedIndex) return this.#refused(storedIndex.refused);
    reached('index-uploaded');
    const stored = await this.#upload(batchKey(jobId, batchId, claim), object);
    if ('refused' in stored) {
      await this.#removeIndex();
      return this.#refused(stored.refused);
    }
    reached('batch-uploaded');
    return {
      outcomes: this.#messages.map((message, i) => ({
        kind: 'completed',
        message,
        url: stored.url,
        counts: this.#counts[i],
      })),
      object: { ...stored, index: storedIndex },
    };
  }

  async discard(): Promise<void> {
    await this.#members.settle();
    await this.#spools.object.discard();
    await this.#spools.index.discard();
  }

  async #writeIndex(object: Content, members: readonly number[]): Promise<Content> {
    const { jobId, batchId, claim } = this.#batch;
    const text = indexText({
      object: basename(batchKey(jobId, batchId, claim)),
      bytes: object.bytes,
      sha256: Buffer.from(object.sha256).toString('hex'),
      members,
      documents: this.#documents,
    });
    const { index } = this.#spools;
    await pipeline(text, createGzip(GZIP), async (packed: AsyncIterable<Buffer>) => {
      for await (const chunk of packed) await index.write(chunk);
    });
    return index.finish();
  }

  /** An index of nothing; where it stays all the same, `verify` tells. */
  async #removeIndex(): Promise<void> {
    const { jobId, batchId, claim } = this.#batch;
    const { target, signal } = this.#context;
    await target.delete([batchIndexKey(jobId, batchId, claim)], signal).catch(() => undefined);
  }

  #upload(key: string, content: Content): ReturnType<typeof upload> {
    const beforeReplacing = () => Promise.reject(new KeyTaken(`another object lies at ${key}`));
    return upload({ ...this.#context, beforeReplacing }, key, content, 'application/gzip');
  }

  #refused(reason: string): { outcomes: readonly MessageOutcome[] } {
    return {
      outcomes: this.#messages.map((message) =>
        failure(message, 'upload_failed', reason, 'upload'),
      ),
    };
  }
}
