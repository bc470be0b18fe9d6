import { DeleteObjectsCommand, type S3Client, type _Error } from '@aws-sdk/client-s3';
import { notFromS3 } from './s3-answer.js';

/** S3 takes no more keys in one request. */
const mostKeys = 1000;

/**
 * Removes objects by their full keys. S3 answers 200 also where it removed only some of them: the first of the others is
 * thrown as an error in the shape of the SDK's own.
 */
export async function deleteObjects(
  client: S3Client,
  bucket: string,
  keys: readonly string[],
  abortSignal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < keys.length; at += mostKeys) {
    const Objects = keys.slice(at, at + mostKeys).map((Key) => ({ Key }));
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } });
    const { Deleted = [], Errors = [] } = await client.send(command, { abortSignal });
    const failed = Errors.find(({ Code }) => Code !== 'NoSuchKey');
    if (failed) throw refusal(failed, Errors.length);
    if (Deleted.length + Errors.length < Objects.length)
      throw notFromS3(`deleting from s3://${bucket}`, 'list of what was deleted');
  }
}

function refusal({ Code, Key = '', Message = '' }: _Error, count: number): Error {
  const others = count > 1 ? `, and ${count - 1} more` : '';
  return Object.assign(new Error(`${Message} (${Key}${others})`), {
    Code,
    $metadata: { httpStatusCode: 200 },
  });
}
