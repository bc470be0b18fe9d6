import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getEndpointFromInstructions } from '@smithy/core/endpoints';

/** Where a bucket's objects are, and what their requests are signed for: as the SDK has it. */
export interface S3Address {
  /** Scheme, host and port, such as `https://bucket.s3.eu-west-1.amazonaws.com`. */
  readonly origin: string;
  /** As it stands in the `host` header. */
  readonly host: string;
  /** What comes before the key: a path of the endpoint, the bucket (path style), always ending in `/`. */
  readonly basePath: string;
  readonly signingName: string;
  readonly signingRegion: string;
}

/**
 * Asks the SDK's own rules, which know region, endpoint (settings, environment, profile), FIPS and the style of the
 * address. Undefined where requests are not signed by plain Signature V4 (directory buckets, several regions).
 * @throws what the SDK throws where no region is known
 */
export async function addressOf(client: S3Client, bucket: string): Promise<S3Address | undefined> {
  const { url, properties, headers } = await getEndpointFromInstructions(
    { Bucket: bucket },
    PutObjectCommand,
    client.config,
  );
  const [scheme] = (properties?.['authSchemes'] ?? []) as readonly AuthScheme[];
  const plain = scheme?.name === 'sigv4' && Object.keys(headers ?? {}).length === 0;
  if (!plain || url.search !== '') return undefined;
  return {
    origin: url.origin,
    host: url.host,
    basePath: `${url.pathname.replace(/\/$/, '')}/`,
    signingName: scheme.signingName ?? 's3',
    signingRegion: scheme.signingRegion ?? (await client.config.region()),
  };
}

/** The path of an object, encoded once: S3 signs it as it is sent. A `%` in a key becomes `%25`. */
export function pathOf({ basePath }: S3Address, key: string): string {
  return basePath + key.split('/').map(encodeSegment).join('/');
}

interface AuthScheme {
  readonly name: string;
  readonly signingName?: string;
  readonly signingRegion?: string;
}

/** RFC 3986: `encodeURIComponent` leaves five reserved characters that Signature V4 wants encoded. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
