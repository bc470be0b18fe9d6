import { createHash } from 'node:crypto';
import type { BatchWriter, Document } from '../process/writer.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { RecordCount } from '../tracking/outcomes.js';

/** What is kept of a document to compare it. */
export interface Digest {
  readonly sha256: Buffer;
  readonly bytes: number;
}

/** A document as Elasticsearch gives it now. */
export interface SourceDigest extends Digest {
  /** See Revision; undefined where Elasticsearch gave no sequence numbers. */
  readonly revision: number | undefined;
  /** How many records it has of each related index. */
  readonly counts: readonly RecordCount[];
}

/** Stands where `process` writes a batch: takes the same documents, made the same way, and keeps their checksums alone. */
export class SourceDigests implements BatchWriter {
  readonly #digests = new Map<ClaimedMessage, SourceDigest>();

  add(
    message: ClaimedMessage,
    document: Document,
    revision: number | undefined,
    counts: readonly RecordCount[] = [],
  ): Promise<void> {
    this.#digests.set(message, { ...digestOf(document), revision, counts });
    return Promise.resolve();
  }

  /** Undefined where Elasticsearch did not give it. */
  of(message: ClaimedMessage): SourceDigest | undefined {
    return this.#digests.get(message);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  finish(): Promise<{ outcomes: readonly never[] }> {
    return Promise.resolve({ outcomes: [] });
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }
}

function digestOf(document: Document): Digest {
  if (document.kind === 'staged') {
    const { sha256, bytes } = document.content;
    return { sha256: Buffer.from(sha256), bytes };
  }
  const { bytes } = document;
  return { sha256: createHash('sha256').update(bytes).digest(), bytes: bytes.length };
}
