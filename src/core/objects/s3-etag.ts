/** An ETag as it is compared and stored: without quotes. */
export function unquoted(etag: string | undefined): string | undefined {
  return etag === undefined || etag === '' ? undefined : etag.replace(/^"|"$/g, '');
}
