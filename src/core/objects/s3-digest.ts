import { createHash } from 'node:crypto';
import { contentChunks } from './content.js';
import type { Found } from './s3-condition.js';
import { multipartAbove, partSizeFor } from './s3-multipart.js';
import type { Content } from './target.js';

/**
 * Whether what stands in a bucket is this content, as we would have put it: by length and SHA-256, where the server keeps
 * none by the MD5 in its ETag. An object in parts has only a digest of its parts' digests, so the content is read once.
 * False, too, where neither tells (encryption by KMS without checksums).
 */
export async function isSameContent(found: Found, content: Content): Promise<boolean> {
  if (found.bytes !== content.bytes) return false;
  const inParts = content.bytes > multipartAbove;
  if (found.checksum !== undefined) {
    const whole = Buffer.from(content.sha256).toString('base64');
    return found.checksum === (inParts ? await digestOfParts(content, 'sha256', 'base64') : whole);
  }
  const etag = inParts
    ? await digestOfParts(content, 'md5', 'hex')
    : await digestOf(content, 'md5', 'hex');
  return found.etag === etag;
}

type Algorithm = 'sha256' | 'md5';
type Encoding = 'base64' | 'hex';

async function digestOf(
  content: Content,
  algorithm: Algorithm,
  encoding: Encoding,
): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of contentChunks(content)) hash.update(chunk);
  return hash.digest(encoding);
}

/** As S3 makes it of an upload in parts: the digest of the parts' digests, `-`, their number. */
async function digestOfParts(
  content: Content,
  algorithm: Algorithm,
  encoding: Encoding,
): Promise<string> {
  const partBytes = partSizeFor(content.bytes);
  const all = createHash(algorithm);
  let parts = 0;
  let part = createHash(algorithm);
  let free = partBytes;
  const endPart = () => {
    all.update(part.digest());
    parts += 1;
    part = createHash(algorithm);
    free = partBytes;
  };
  for await (const chunk of contentChunks(content)) {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + free);
      part.update(piece);
      at += piece.length;
      free -= piece.length;
      if (free === 0) endPart();
    }
  }
  if (free < partBytes) endPart();
  return `${all.digest(encoding)}-${parts}`;
}
