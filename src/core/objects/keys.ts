/**
 * Object keys, as the contract has them. A key names its message or batch and nothing else, so writing an
 * object twice is harmless, and what one run wrote another finds.
 *
 * Ids are encoded byte by byte over their UTF-8 form: `A-Z a-z 0-9 . _ -` stay, every other byte becomes
 * `%XX`. `.` and `..` are encoded whole, though `.json` follows, so that an id never looks like a path. All of a key is
 * ASCII, so that no file system's Unicode normalisation can change it.
 */
import { createHash } from 'node:crypto';

/**
 * Where the key is used. Directories of a file system get two hash directories before the file name, and what other systems
 * refuse in a name is encoded, so that the tree can be copied there. `file-caseless`: upper-case letters are encoded, too, for
 * file systems that take `A` and `a` for the same name.
 */
export type KeyStyle = 's3' | FileKeyStyle;

export const FILE_KEY_STYLES = ['file', 'file-caseless'] as const;
export type FileKeyStyle = (typeof FILE_KEY_STYLES)[number];

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
/** Names that Windows keeps for devices, whatever follows their first dot. */
const reservedName = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;
/** Index, hash directories, id. */
const messagePattern = /^messages\/(?:([^/]+)\/)??(?:([0-9a-f]{2}\/[0-9a-f]{2}\/))?([^/]*)\.json$/;

/**
 * The key of one message: `messages/ID.json`, with an index `messages/INDEX/ID.json`; in the styles of file systems two
 * directories from the id's SHA-256 stand before the file name, which keeps directories small. They do not keep ids apart
 * that differ only in case: two of the same 16 bits are easily found.
 *
 * Where `ID.json` would be longer than 200 bytes, ID becomes `~` and the id's SHA-256 in hex. Different
 * messages have different keys (`~` itself is always encoded).
 */
export function messageKey(message: MessageName, style: KeyStyle): string {
  const index = message.index === undefined ? '' : `${segment(message.index, '', style)}/`;
  const hashes = style === 's3' ? '' : hashDirectories(message.id);
  return `messages/${index}${hashes}${segment(message.id, extension, style)}`;
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
 * The message a key (without the target's prefix) was made for, in any style. Undefined for keys
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
  const isMade = stylesOf(hashes).some((style) => messageKey({ id, index }, style) === key);
  return isMade ? { id, index } : undefined;
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
  const styles = stylesOf(hashes);
  const id = partOf(idSegment, extension, styles);
  const indexPart = indexSegment === undefined ? undefined : partOf(indexSegment, '', styles);
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

/** The styles of keys with, or without, hash directories. */
function stylesOf(hashes: string | undefined): readonly KeyStyle[] {
  return hashes === undefined ? ['s3'] : FILE_KEY_STYLES;
}

/** Undefined for segments that no name makes. */
function partOf(
  segmentText: string,
  suffix: string,
  styles: readonly KeyStyle[],
): KeyPart<Uint8Array> | undefined {
  const hash = /^~([0-9a-f]{64})$/.exec(segmentText)?.[1];
  if (hash !== undefined) return { sha256: Buffer.from(hash, 'hex') };
  const name = decode(segmentText);
  const isMade = (style: KeyStyle) => name && segment(name, suffix, style) === segmentText + suffix;
  return name && styles.some(isMade) ? { name } : undefined;
}

function batchStem(jobId: number, batchId: number, claim: number): string {
  const job = String(jobId).padStart(6, '0');
  const batch = String(batchId).padStart(10, '0');
  return `job-${job}/batch-${batch}-${String(claim).padStart(4, '0')}`;
}

function segment(name: Uint8Array | string, suffix: string, style: KeyStyle): string {
  const encoded = style === 's3' ? encode(name) : portable(encode(name, style), suffix);
  if (encoded.length + suffix.length <= longestSegment) return encoded + suffix;
  return `~${sha256Hex(name)}${suffix}`;
}

/**
 * The same without what Windows refuses: names of devices, and a dot at the end. Encoding one character more keeps different
 * names apart, since each is decoded to what it was made from.
 */
function portable(encoded: string, suffix: string): string {
  if (reservedName.test(encoded + suffix)) return percent(encoded.charCodeAt(0)) + encoded.slice(1);
  return suffix === '' && encoded.endsWith('.') ? `${encoded.slice(0, -1)}%2E` : encoded;
}

function encode(name: Uint8Array | string, style: KeyStyle = 's3'): string {
  const isCaseless = style === 'file-caseless';
  const plain = isCaseless ? /^[a-z0-9_-][a-z0-9._-]*$/ : /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
  if (typeof name === 'string' && plain.test(name)) return name;
  const bytes = typeof name === 'string' ? Buffer.from(name, 'utf8') : name;
  const onlyDots =
    (bytes.length === 1 || bytes.length === 2) && bytes.every((byte) => byte === 0x2e);
  let encoded = '';
  for (const byte of bytes) {
    const stays = isSafe(byte) && !onlyDots && !(isCaseless && isUpperCase(byte));
    encoded += stays ? String.fromCharCode(byte) : percent(byte);
  }
  return encoded;
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
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
    isUpperCase(byte) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x5f
  );
}

function isUpperCase(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
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
