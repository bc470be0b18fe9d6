import type { FileKeyStyle } from './keys.js';

/**
 * Where documents go: an S3 bucket under a prefix, or a directory.
 *
 * Contract, for every implementation (test/objects/target-contract.ts runs against all of them):
 * - `put` returns only when the object is durable and its bytes were compared with the checksum computed
 *   here (S3: the server refuses a body that does not match; files: fsync of file and directory). A reader
 *   sees the whole object or none of it, never a part.
 * - Putting the same bytes under the same key again writes nothing; other bytes are replaced as a whole, after a question
 *   (`beforeReplacing`), and only if they are still those the question was about. In a bucket the server sees to that, when
 *   the body is complete, however long it took. In a directory, and with servers that know no conditional writes, it is
 *   looked at right before: what remains is the time between the look and the write.
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
  claimPrefix(owner: PrefixOwner, signal: AbortSignal): Promise<ClaimedPrefix>;
  /**
   * Where the key holds other bytes already, `beforeReplacing` is awaited, and they are replaced only if they are still
   * the ones that were seen; what it throws is thrown, and nothing is replaced. Without it they are replaced in any case.
   * Where the key holds the same bytes already, nothing is written.
   */
  put(
    key: string,
    body: ObjectBody,
    signal: AbortSignal,
    beforeReplacing?: () => Promise<void>,
  ): Promise<StoredObject>;
  /**
   * The object's bytes, or as many of a range as there are, as a stream; undefined if there is no object. They are what lies
   * there now: comparing them is the reader's. `url` is what `put` returned. Of a directory, no link below the root is followed.
   * @throws MigrateError `usage` where the URL is not under this prefix, unless it may be anywhere
   */
  get(
    url: string,
    signal: AbortSignal,
    range?: ByteRange,
    options?: ReadOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** What the store knows of an object under this prefix without its being read; undefined if there is none. */
  stat(url: string, signal: AbortSignal): Promise<ObjectStat | undefined>;
  /**
   * Objects under the prefix behind `after` (any key, there or not), up to 1,000, in the order of their keys' UTF-8 bytes,
   * whoever put them there. The marker and temporary files of ours are left out. At least one, unless none follows.
   * @throws MigrateError `usage` naming the permission that is missing
   */
  list(after: string | undefined, signal: AbortSignal): Promise<ListedPage>;
  /**
   * Removes objects, any number; one that is gone already is no error.
   * @throws MigrateError `usage` naming the permission that is missing
   */
  delete(keys: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Uploads under the prefix that were begun and neither completed nor aborted, by whomever: some may still be under way.
   * Undefined where the store doesn't say (no permission to list them, or it has no such thing). Of a directory, its
   * temporary files, but for those a living process of this host is writing.
   */
  unfinished(signal: AbortSignal): Promise<readonly UnfinishedUpload[] | undefined>;
  /**
   * Removes what was uploaded of it; one that is gone already is no error. Whoever was still uploading gets a retriable
   * Fault and begins again.
   */
  abandon(upload: Pick<UnfinishedUpload, 'key' | 'id'>, signal: AbortSignal): Promise<void>;
  /** The key of a URL under this prefix; undefined for any other URL. */
  keyOf(url: string): string | undefined;
  /** The full URL of a key: `s3://bucket/prefix/key`, or a file URL. */
  urlOf(key: string): string;
  close(): Promise<void>;
}

export interface ReadOptions {
  /** Also what is not under the target's prefix. */
  readonly anywhere?: boolean;
}

export interface PrefixOwner {
  /** The tracking database's own id (a UUID made when its schema was). */
  readonly databaseId: string;
}

/** What claiming a prefix has shown of its target. */
export interface ClaimedPrefix {
  /**
   * A bucket's store writes where it was told not to, or knows no conditions: each key is looked at before it is written. What
   * remains is the time between the look and the write. Never of a directory, where that is always so.
   */
  readonly ignoresConditions: boolean;
  /** How keys are made there, where it is a directory: other commands have to make them in the same way. */
  readonly keyStyle?: FileKeyStyle;
  /** What the user should know of it, a sentence each. */
  readonly cautions?: readonly string[];
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
  /** The store's own version of these bytes, without quotes, as listings show it; undefined where it has none. */
  readonly etag: string | undefined;
}

export interface ByteRange {
  /** The first byte's offset. */
  readonly start: number;
  /** 1 or more. */
  readonly bytes: number;
}

export interface ObjectStat {
  readonly bytes: number;
  readonly etag: string | undefined;
  /** As the store keeps it; undefined where it keeps none. */
  readonly sha256: Uint8Array | undefined;
}

export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  readonly etag: string | undefined;
}

export interface ListedPage {
  readonly objects: readonly ListedObject[];
  /** True where nothing follows. */
  readonly last: boolean;
}

export interface UnfinishedUpload {
  /** Empty where the store doesn't know it before the end (directories). */
  readonly key: string;
  /** The store's name for it. */
  readonly id: string;
  /** When it was begun, by the store's clock, in milliseconds since the epoch; undefined where it doesn't say. */
  readonly begunAt: number | undefined;
}
