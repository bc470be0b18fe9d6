/**
 * Object keys, as the contract has them. A key names its message or batch and nothing else, so writing an
 * object twice is harmless, and what one run wrote another finds.
 *
 * Ids are encoded byte by byte over their UTF-8 form: `A-Z a-z 0-9 . _ -` stay, every other byte becomes
 * `%XX`. `.` and `..` are encoded whole, though `.json` follows, so that an id never looks like a path.
 */
import { createHash } from 'node:crypto';

/** Where the key is used: directories of a file system get two hash directories before the file name. */
export type KeyStyle = 's3' | 'file';

export interface MessageName {
  /** The Elasticsearch `_id`, as text or as its UTF-8 bytes. */
  readonly id: Uint8Array | string;
  /** Given where `source.index` stands for several indices. */
  readonly index?: string | undefined;
}

/**
 * The longest path segment, in bytes, as it stands in the key, `.json` included. File systems and S3 servers
 * that keep objects as files refuse more than 255; the rest is left for temporary names around it.
 */
const longestSegment = 200;
const extension = '.json';
/** Index, hash directories, id. */
const messagePattern = /^messages\/(?:([^/]+)\/)??(?:([0-9a-f]{2}\/[0-9a-f]{2}\/))?([^/]*)\.json$/;

/**
 * The key of one message: `messages/ID.json`, with an index `messages/INDEX/ID.json`; in style `file`
 * two directories from the id's SHA-256 stand before the file name, which keeps directories small and
 * keeps ids that differ only in case apart where a file system does not.
 *
 * Where `ID.json` would be longer than 200 bytes, ID becomes `~` and the id's SHA-256 in hex. Different
 * messages have different keys (`~` itself is always encoded).
 */
export function messageKey(message: MessageName, style: KeyStyle): string {
  const index = message.index === undefined ? '' : `${segment(message.index, '')}/`;
  const hashes = style === 'file' ? hashDirectories(message.id) : '';
  return `messages/${index}${hashes}${segment(message.id, extension)}`;
}

/**
 * The key of one batch's object: `batches/job-JOB/batch-BATCH-CLAIM.ndjson.gz`, zero-padded to 6, 10 and 4
 * digits; larger numbers are longer. `claim` counts the claims of that batch, so no attempt writes over
 * another's object.
 */
export function batchKey(jobId: number, batchId: number, claim: number): string {
  return `batches/${batchStem(jobId, batchId, claim)}.ndjson.gz`;
}

/**
 * The key of the index of that object's members: the same name and claim, below `_index/`. A reader pointed at `batches/`
 * finds documents and nothing else; Spark, Hive and Athena also skip directories whose name begins with `_`.
 */
export function batchIndexKey(jobId: number, batchId: number, claim: number): string {
  return `_index/${batchStem(jobId, batchId, claim)}.index.json.gz`;
}

/** Where earlier versions put that index: beside the object. */
export function formerIndexKey(jobId: number, batchId: number, claim: number): string {
  return `batches/${batchStem(jobId, batchId, claim)}.index.json.gz`;
}

/** The URL of the index of a batch's object, under whatever prefix that lies; undefined for other URLs. */
export function batchIndexUrl(objectUrl: string): string | undefined {
  const match = /^(.*\/)batches\/(job-\d{6,}\/batch-\d{10,}-\d{4,})\.ndjson\.gz$/s.exec(objectUrl);
  return match ? `${match[1] ?? ''}_index/${match[2] ?? ''}.index.json.gz` : undefined;
}

export interface BatchName {
  readonly jobId: number;
  readonly batchId: number;
  readonly claim: number;
  readonly kind: keyof typeof BATCH_KEYS;
}

const BATCH_KEYS = { object: batchKey, index: batchIndexKey, 'former-index': formerIndexKey };
const BATCH_KINDS = Object.keys(BATCH_KEYS) as (keyof typeof BATCH_KEYS)[];

/**
 * What a key (without the target's prefix) of layout `batch` was made for. Undefined for every key that `batchKey`,
 * `batchIndexKey` and `formerIndexKey` don't make, such as one with other padding.
 */
export function parseBatchKey(key: string): BatchName | undefined {
  const match = /^(?:batches|_index)\/job-(\d{6,})\/batch-(\d{10,})-(\d{4,})\.[a-z.]+$/.exec(key);
  if (!match) return undefined;
  const [jobId, batchId, claim] = match.slice(1, 4).map(Number) as [number, number, number];
  const kind = BATCH_KINDS.find((one) => BATCH_KEYS[one](jobId, batchId, claim) === key);
  return kind && { jobId, batchId, claim, kind };
}

/**
 * The message a key (without the target's prefix) was made for, in either style. Undefined for keys
 * `messageKey` does not make and for those whose id or index is hashed: see {@link hashedNameOfKey}.
 */
export function idOfKey(key: string): { id: Uint8Array; index: string | undefined } | undefined {
  const match = messagePattern.exec(key);
  if (!match) return undefined;
  const [, indexSegment, hashes, idSegment = ''] = match;
  const id = decode(idSegment);
  const indexBytes = indexSegment === undefined ? undefined : decode(indexSegment);
  if (id === undefined || (indexSegment !== undefined && indexBytes === undefined))
    return undefined;
  const index = indexBytes === undefined ? undefined : Buffer.from(indexBytes).toString('utf8');
  const made = messageKey({ id, index }, hashes === undefined ? 's3' : 'file');
  return made === key ? { id, index } : undefined;
}

/** An id or an index as it stands in a key: itself, or where that would be too long its SHA-256. */
export type KeyPart<T> = { readonly name: T } | { readonly sha256: Uint8Array };

export interface HashedName {
  readonly id: KeyPart<Uint8Array>;
  readonly index: KeyPart<string> | undefined;
}

/**
 * What a key (without the target's prefix) says of its message where id or index, or both, are hashed: what to look up
 * by SHA-256. Undefined for keys that `messageKey` doesn't make and for those {@link idOfKey} decodes. Which message it is
 * is known only when the key of the one that was found is compared with it.
 */
export function hashedNameOfKey(key: string): HashedName | undefined {
  const match = messagePattern.exec(key);
  if (!match) return undefined;
  const [, indexSegment, hashes, idSegment = ''] = match;
  const id = partOf(idSegment, extension);
  const indexPart = indexSegment === undefined ? undefined : partOf(indexSegment, '');
  if (id === undefined || (indexSegment !== undefined && indexPart === undefined)) return undefined;
  if ('name' in id && (indexPart === undefined || 'name' in indexPart)) return undefined;
  const sha256 = 'name' in id ? sha256Hex(id.name) : Buffer.from(id.sha256).toString('hex');
  if (hashes !== undefined && hashes !== directoriesOf(sha256)) return undefined;
  const index =
    indexPart && 'name' in indexPart
      ? { name: Buffer.from(indexPart.name).toString('utf8') }
      : indexPart;
  return { id, index };
}

/** Undefined for segments that no name makes. */
function partOf(segmentText: string, suffix: string): KeyPart<Uint8Array> | undefined {
  const hash = /^~([0-9a-f]{64})$/.exec(segmentText)?.[1];
  if (hash !== undefined) return { sha256: Buffer.from(hash, 'hex') };
  const name = decode(segmentText);
  return name && segment(name, suffix) === segmentText + suffix ? { name } : undefined;
}

function batchStem(jobId: number, batchId: number, claim: number): string {
  const job = String(jobId).padStart(6, '0');
  const batch = String(batchId).padStart(10, '0');
  return `job-${job}/batch-${batch}-${String(claim).padStart(4, '0')}`;
}

function segment(name: Uint8Array | string, suffix: string): string {
  const encoded = encode(name);
  if (encoded.length + suffix.length <= longestSegment) return encoded + suffix;
  return `~${sha256Hex(name)}${suffix}`;
}

function encode(name: Uint8Array | string): string {
  if (typeof name === 'string' && /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name)) return name;
  const bytes = typeof name === 'string' ? Buffer.from(name, 'utf8') : name;
  const onlyDots =
    (bytes.length === 1 || bytes.length === 2) && bytes.every((byte) => byte === 0x2e);
  let encoded = '';
  for (const byte of bytes) {
    encoded +=
      isSafe(byte) && !onlyDots
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

function decode(encoded: string): Uint8Array | undefined {
  if (!/^(?:[A-Za-z0-9._-]|%[0-9A-F]{2})*$/.test(encoded)) return undefined;
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at++) {
    if (encoded[at] === '%') {
      bytes.push(Number.parseInt(encoded.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      bytes.push(encoded.charCodeAt(at));
    }
  }
  return Uint8Array.from(bytes);
}

function isSafe(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x5f
  );
}

function hashDirectories(id: Uint8Array | string): string {
  return directoriesOf(sha256Hex(id));
}

function directoriesOf(hash: string): string {
  return `${hash.slice(0, 2)}/${hash.slice(2, 4)}/`;
}

function sha256Hex(name: Uint8Array | string): string {
  return createHash('sha256').update(name).digest('hex');
}
