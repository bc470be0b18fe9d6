import { isDeepStrictEqual } from 'node:util';
import {
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { usage } from '../errors.js';
import { markerKey } from './marker.js';
import { requireContents } from './s3-answer.js';
import { unquoted } from './s3-etag.js';
import type { ListedPage, UnfinishedUpload } from './target.js';

/** Where to look: everything below one prefix. */
export interface ListPlace {
  readonly bucket: string;
  /** Empty, or ending in a slash: a prefix `a` must not find what lies below `ab`. */
  readonly start: string;
}

/** Objects a page; S3 has no larger ones. */
const pageSize = 1000;

/**
 * One page of objects behind a key (without the prefix), in the order of their keys' bytes. Left out are the marker and
 * the prefix's own placeholder (an object named `prefix/`, as consoles make for a new folder).
 */
export async function listObjects(
  client: S3Client,
  { bucket, start }: ListPlace,
  after: string | undefined,
  abortSignal: AbortSignal,
): Promise<ListedPage> {
  let from = after === undefined ? undefined : start + after;
  for (;;) {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: start,
        MaxKeys: pageSize,
        // XML cannot hold every character a key may have.
        EncodingType: 'url',
        ...(from !== undefined && { StartAfter: from }),
      }),
      { abortSignal },
    );
    // HTML, too, is read as a list of nothing: everything would count as missing.
    requireContents(`listing s3://${bucket}/${start}`, page);
    const decode = decoderFor(page.EncodingType);
    const all = (page.Contents ?? []).map(({ Key = '', Size = 0, ETag }) => {
      return { key: decode(Key), bytes: Size, etag: unquoted(ETag) };
    });
    // Keys that could not be decoded stay as they are, and prove nothing.
    const raw = (page.Contents ?? []).map(({ Key = '' }) => Key);
    requireOrder(
      from,
      all.filter(({ key }, at) => key !== raw[at] || !key.includes('%') || !page.EncodingType),
    );
    const objects = all
      .map(({ key, ...object }) => ({ key: key.slice(start.length), ...object }))
      .filter(({ key }) => key !== markerKey && key !== '');
    const last = page.IsTruncated !== true || all.length === 0;
    if (last || objects.length > 0) return { objects, last };
    from = all.at(-1)?.key;
  }
}

/**
 * A server that ignores where to begin would be listed for ever, and one that lists in another order would make what is there
 * count as missing.
 *
 * @throws MigrateError `usage` where a key doesn't follow the one before it by the bytes of their UTF-8
 */
function requireOrder(from: string | undefined, all: readonly { readonly key: string }[]): void {
  let before = from === undefined ? undefined : Buffer.from(from);
  for (const { key } of all) {
    const bytes = Buffer.from(key);
    if (before && Buffer.compare(before, bytes) >= 0) {
      throw usage(
        `The store lists ${JSON.stringify(key)} behind ${JSON.stringify(before.toString())}: it ignores where a listing is to begin, or lists in another order than S3`,
        'Update the store at target.endpoint, or choose another: such listings cannot be compared with what was migrated.',
      );
    }
    before = bytes;
  }
}

/** Every upload below the prefix that was begun and is neither complete nor aborted. */
export async function listUploads(
  client: S3Client,
  { bucket, start }: ListPlace,
  abortSignal: AbortSignal,
): Promise<UnfinishedUpload[]> {
  const uploads: UnfinishedUpload[] = [];
  let position: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (position) {
    const page: ListMultipartUploadsCommandOutput = await client.send(
      new ListMultipartUploadsCommand({
        Bucket: bucket,
        Prefix: start,
        MaxUploads: pageSize,
        EncodingType: 'url',
        ...position,
      }),
      { abortSignal },
    );
    requireContents(`listing uploads to s3://${bucket}/${start}`, page);
    const decode = decoderFor(page.EncodingType);
    for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? []) {
      const key = decode(Key).slice(start.length);
      uploads.push({ key, id: UploadId, begunAt: Initiated?.getTime() });
    }
    const next = page.IsTruncated === true ? behind(page, decode) : undefined;
    if (next && isDeepStrictEqual(next, position)) {
      throw usage(
        `The store says twice that the unfinished uploads to s3://${bucket}/${start} go on behind ${JSON.stringify(next.KeyMarker)}: it ignores where a listing is to begin`,
        'Update the store at target.endpoint, or choose another.',
      );
    }
    position = next;
  }
  return uploads;
}

function behind(
  { NextKeyMarker, NextUploadIdMarker }: ListMultipartUploadsCommandOutput,
  decode: (key: string) => string,
): { KeyMarker?: string; UploadIdMarker?: string } | undefined {
  if (NextKeyMarker === undefined) return undefined;
  return {
    KeyMarker: decode(NextKeyMarker),
    ...(NextUploadIdMarker !== undefined && { UploadIdMarker: NextUploadIdMarker }),
  };
}

/** Some servers ignore the encoding that was asked for, and say so. A key that isn't encoded right stays as it is. */
function decoderFor(encoding: string | undefined): (key: string) => string {
  if (encoding !== 'url') return (key) => key;
  return (key) => {
    try {
      return decodeURIComponent(key.replaceAll('+', ' '));
    } catch {
      return key;
    }
  };
}
