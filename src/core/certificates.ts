/** Whether the message of an error of TLS says that the server's certificate was not accepted. */
export function isCertificateProblem(message: string): boolean {
  return /certificate|self[- ]signed|unable to verify|altnames|unable to get (local )?issuer/i.test(
    message,
  );
}

/**
 * What to do where a certificate was not accepted. Never to stop checking: a wrong certificate is also what somebody in
 * between would show.
 *
 * @param url the setting with the address
 * @param caFile the setting for an authority of one's own
 */
export function certificateAdvice(
  message: string,
  { url, caFile }: { url: string; caFile: string },
): string {
  if (/altnames/i.test(message))
    return `Correct the host in ${url}: the certificate is for another one. If the host is right, somebody may be in between.`;
  if (/expired|not yet valid/i.test(message))
    return "Have the server's certificate renewed, and check the clock of this machine.";
  return `Name its certificate authority in ${caFile}.`;
}

/** Whether two sides have no version of TLS in common: ours begins with 1.2. */
export function lacksTlsVersion(message: string): boolean {
  return /unsupported protocol|alert protocol version|no protocols available|version too low/i.test(
    message,
  );
}
