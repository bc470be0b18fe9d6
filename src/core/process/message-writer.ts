import { createHash } from 'node:crypto';
import { isFault } from '../fault.js';
import { messageKey, type KeyStyle } from '../objects/keys.js';
import type { Content, StoredObject, Target } from '../objects/target.js';
import type { RetryPolicy } from '../retry.js';
import type { ClaimedBatch, ClaimedMessage } from '../tracking/claims.js';
import type { MessageOutcome, RecordCount } from '../tracking/outcomes.js';
import { failure } from './fetch.js';
import type { UploadLimit } from './upload-limit.js';
import type { BatchWriter, Document } from './writer.js';

export interface UploadContext {
  readonly target: Target;
  readonly policy: RetryPolicy;
  /** Bounds the uploads of the whole process. */
  readonly limit: UploadLimit;
  readonly signal: AbortSignal;
  /** Awaited before an object is replaced by another; what it throws leaves that as it is. */
  readonly beforeReplacing: () => Promise<void>;
}

/** Layout `message`: one object each. */
export class MessageWriter implements BatchWriter {
  readonly #context: UploadContext;
  readonly #batch: ClaimedBatch;
  readonly #keys: KeyStyle;
  readonly #outcomes: MessageOutcome[] = [];
  readonly #uploads = new Set<Promise<void>>();
  #failure: { readonly error: Error } | undefined;

  constructor(context: UploadContext, batch: ClaimedBatch, keys: KeyStyle) {
    this.#context = context;
    this.#batch = batch;
    this.#keys = keys;
  }

  /**
   * Only begins the upload: `flush` awaits it.
   *
   * @throws what an upload failed with, once one has: the batch is going to be released
   */
  async add(
    message: ClaimedMessage,
    document: Document,
    revision: number | undefined,
    counts?: readonly RecordCount[],
  ): Promise<void> {
    await this.#throwFailure();
    const upload = this.#upload(message, document, revision, counts)
      .catch((error: unknown) => {
        this.#failure ??= { error: error as Error };
      })
      .finally(() => this.#uploads.delete(upload));
    this.#uploads.add(upload);
  }

  /** Waits for all uploads, also where one fails: none may go on behind a batch that was released. */
  async flush(): Promise<void> {
    await Promise.all(this.#uploads);
    await this.#throwFailure();
  }

  #throwFailure(): Promise<void> {
    return this.#failure ? Promise.reject(this.#failure.error) : Promise.resolve();
  }

  async #upload(
    message: ClaimedMessage,
    document: Document,
    revision: number | undefined,
    counts: readonly RecordCount[] | undefined,
  ): Promise<void> {
    const { id, index } = message;
    const plain = this.#batch.plainKeyIndex === index;
    const key = messageKey({ id, index: plain ? undefined : index }, this.#keys);
    const content = document.kind === 'staged' ? document.content : inMemory(document.bytes);
    const stored = await upload(this.#context, key, content, 'application/json');
    if ('refused' in stored)
      this.#outcomes.push(failure(message, 'upload_failed', stored.refused, 'upload'));
    else {
      const object = { ...stored, revision };
      this.#outcomes.push({ kind: 'completed', message, url: stored.url, object, counts });
    }
  }

  async finish(): Promise<{ outcomes: readonly MessageOutcome[] }> {
    await this.flush();
    return { outcomes: this.#outcomes };
  }

  async discard(): Promise<void> {
    await this.flush().catch(() => undefined);
  }
}

/**
 * Uploads one object as soon as `limit` lets it, retried by the one policy. `refused`: the target will not take this one.
 *
 * @throws whatever `beforeReplacing` does; MigrateError `usage` where the target has refused all so far, see EarlyRefusals
 */
export async function upload(
  { target, policy, limit, signal, beforeReplacing }: UploadContext,
  key: string,
  content: Content,
  contentType: 'application/json' | 'application/gzip',
): Promise<StoredObject | { refused: string }> {
  try {
    const put = () => target.put(key, { content, contentType }, signal, beforeReplacing);
    const stored = await limit.run(policy, put, signal);
    limit.refusals.accepted();
    return stored;
  } catch (error) {
    if (!isFault(error) || error.class !== 'request') throw error;
    limit.refusals.refused(error);
    return { refused: error.message };
  }
}

function inMemory(bytes: Buffer): Content {
  const sha256 = createHash('sha256').update(bytes).digest();
  return { kind: 'memory', chunks: [bytes], bytes: bytes.length, sha256 };
}
