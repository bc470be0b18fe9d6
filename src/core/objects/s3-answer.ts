/**
 * Whether S3 itself has answered. A captive portal, a proxy or a server of another kind may say 200 to anything, with a page
 * of HTML: taken for S3's word, a document would count as stored that is nowhere, and a bucket as empty that is full.
 */
import { Fault } from '../fault.js';

/** Of answers that S3 cannot have given. */
export const NOT_FROM_S3 = 'NotFromS3';

/**
 * The fault of an answer that looks like success and lacks what S3 never leaves out.
 *
 * @param what names the request, such as `PUT s3://bucket/key`
 * @param missing what is not in the answer, such as `an ETag`
 */
export function notFromS3(what: string, missing: string): Fault {
  const message = `${what}: the answer says success, but has no ${missing}, which S3 never leaves out: a proxy or a captive portal may have answered in its place`;
  return new Fault('S3', 'retriable', NOT_FROM_S3, message);
}

/** What S3 says of an object, with or without its bytes. */
interface ObjectAnswer {
  readonly ETag?: string | undefined;
  readonly LastModified?: Date | undefined;
  readonly ContentType?: string | undefined;
  readonly $metadata: { readonly requestId?: string | undefined };
}

/**
 * Looks whether an answer to GET or HEAD is S3's. Gateways before a file system have no ETag of a file that was not put through
 * them, so that its absence alone proves nothing.
 *
 * @throws Fault `retriable` where it is not
 */
export function requireS3Object(what: string, answer: ObjectAnswer): void {
  const { ETag, LastModified, ContentType, $metadata } = answer;
  if ($metadata.requestId !== undefined) return;
  if (isPage(ContentType)) throw notFromS3(what, 'document but a page of HTML');
  if (!ETag && !LastModified) throw notFromS3(what, 'ETag');
}

/**
 * Looks whether an answer has anything in it of what was asked for: the SDK reads HTML as a list of nothing.
 *
 * @throws Fault `retriable` where it has not
 */
export function requireContents(what: string, answer: object): void {
  const found = Object.entries(answer).some(
    ([name, value]) => name !== '$metadata' && value !== undefined,
  );
  if (!found) throw notFromS3(what, 'list');
}

/** Whether an answer is a page for people: S3 speaks XML. */
export function isPage(contentType: string | undefined, body = ''): boolean {
  return /^text\/html\b/i.test(contentType ?? '') || /^\s*<(!doctype html|html)\b/i.test(body);
}
