/**
 * Where documents go: an S3 bucket under a prefix, or a directory.
 *
 * Contract, for every implementation (test/objects/target-contract.ts runs against all of them):
 * - `put` returns only when the object is durable and its bytes were compared with the checksum computed
 *   here (S3: the server refuses a body that does not match; files: fsync of file and directory). A reader
 *   sees the whole object or none of it, never a part.
 * - Putting the same key again replaces the object; it never appends and never fails for that reason.
 * - Keys are made by keys.ts: `/` separates segments, no segment is longer than 255 bytes or `.` or `..`.
 * - What fails is thrown as a Fault (../fault.ts) or, where no retry can help, as a MigrateError; nothing is retried in
 *   here, SDK retries are off.
 * - Aborting `signal` makes a running `put` reject soon and leaves neither a part nor a temp file behind.
 */
export interface Target {
  readonly layout: 'message' | 'batch';
  /**
   * Checks that the target exists, can be written and belongs to this tracking database: claims the prefix
   * by writing `_es-migrate.json` if nobody has. Throws a `usage` MigrateError naming what is wrong (bucket missing,
   * access denied, wrong credentials, read-only or full disk, prefix of another database).
   */
  claimPrefix(owner: PrefixOwner, signal: AbortSignal): Promise<void>;
  put(key: string, body: ObjectBody, signal: AbortSignal): Promise<StoredObject>;
  /** The object's bytes as a stream, or undefined if there is none. `url` is what `put` returned. */
  get(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** The full URL of a key: `s3://bucket/prefix/key`, or a file URL. */
  urlOf(key: string): string;
  close(): Promise<void>;
}

export interface PrefixOwner {
  /** The tracking database's own id (a UUID made when its schema was). */
  readonly databaseId: string;
}

export interface ObjectBody {
  readonly content: Content;
  readonly contentType: 'application/json' | 'application/gzip';
}

/** Bytes ready to be uploaded, in memory or staged in a file; made by a Spool. */
export type Content =
  | {
      readonly kind: 'memory';
      readonly chunks: readonly Uint8Array[];
      readonly bytes: number;
      readonly sha256: Uint8Array;
    }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly bytes: number;
      readonly sha256: Uint8Array;
    };

export interface StoredObject {
  readonly url: string;
  readonly bytes: number;
  /** SHA-256 of the object's bytes. */
  readonly sha256: Uint8Array;
}
