/** The tracking tables have room for this many characters; S3's own ETags have up to 38. */
const longest = 64;

/** An ETag as it is compared and stored: without quotes; undefined where there is none that could be stored. */
export function unquoted(etag: string | undefined): string | undefined {
  const bare = etag?.replace(/^"|"$/g, '') ?? '';
  return bare === '' || bare.length > longest ? undefined : bare;
}
