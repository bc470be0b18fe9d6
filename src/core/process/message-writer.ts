import { createHash } from 'node:crypto';
import { isFault } from '../fault.js';
import { messageKey, type KeyStyle } from '../objects/keys.js';
import type { Content, StoredObject, Target } from '../objects/target.js';
import { retrying, type RetryPolicy } from '../retry.js';
import type { ClaimedBatch, ClaimedMessage } from '../tracking/claims.js';
import type { MessageOutcome, RecordCount } from '../tracking/outcomes.js';
import { failure } from './fetch.js';
import type { BatchWriter, Document } from './writer.js';

export interface UploadContext {
  readonly target: Target;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
  /** Awaited before an object is replaced by another; what it throws leaves that as it is. */
  readonly beforeReplacing: () => Promise<void>;
}

/** Layout `message`: one object each. */
export class MessageWriter implements BatchWriter {
  readonly #context: UploadContext;
  readonly #batch: ClaimedBatch;
  readonly #keys: KeyStyle;
  readonly #limit: <T>(work: () => Promise<T>) => Promise<T>;
  readonly #outcomes: MessageOutcome[] = [];
  readonly #uploads: Promise<void>[] = [];

  /** `limit` bounds the uploads of the whole process. */
  constructor(
    context: UploadContext,
    batch: ClaimedBatch,
    keys: KeyStyle,
    limit: <T>(work: () => Promise<T>) => Promise<T>,
  ) {
    this.#context = context;
    this.#batch = batch;
    this.#keys = keys;
    this.#limit = limit;
  }

  /** Only begins the upload: `flush` awaits it. */
  add(
    message: ClaimedMessage,
    document: Document,
    revision: number | undefined,
    counts?: readonly RecordCount[],
  ): Promise<void> {
    this.#uploads.push(this.#upload(message, document, revision, counts));
    return Promise.resolve();
  }

  /** Waits for all uploads, also where one fails: none may go on behind a batch that was released. */
  async flush(): Promise<void> {
    const uploads = await Promise.allSettled(this.#uploads.splice(0));
    for (const upload of uploads) if (upload.status === 'rejected') throw upload.reason;
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
    const stored = await this.#limit(() => upload(this.#context, key, content, 'application/json'));
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
 * Uploads one object, retried by the one policy. `refused`: the target will not take this one.
 *
 * @throws whatever `beforeReplacing` does
 */
export async function upload(
  { target, policy, signal, beforeReplacing }: UploadContext,
  key: string,
  content: Content,
  contentType: 'application/json' | 'application/gzip',
): Promise<StoredObject | { refused: string }> {
  try {
    return await retrying(
      policy,
      () => target.put(key, { content, contentType }, signal, beforeReplacing),
      { signal },
    );
  } catch (error) {
    if (isFault(error) && error.class === 'request') return { refused: error.message };
    throw error;
  }
}

function inMemory(bytes: Buffer): Content {
  const sha256 = createHash('sha256').update(bytes).digest();
  return { kind: 'memory', chunks: [bytes], bytes: bytes.length, sha256 };
}
