/** A queue's region, as the URLs of AWS's own hosts name it; undefined for other servers. */
export function regionOf(url: string): string | undefined {
  const { hostname } = new URL(url);
  return (
    /^sqs(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/.exec(hostname)?.[1] ??
    /^vpce-[^.]+\.sqs\.([a-z0-9-]+)\.vpce\.amazonaws\.com$/.exec(hostname)?.[1]
  );
}
