/** Shorter ones are left: blacking out every `a` or `root` would tell more than it hides. */
const MIN_LENGTH = 6;

/**
 * The last line of defence: takes known secrets out of whatever is written. Nothing of ours prints one, but a
 * server's or a library's own words may.
 */
export class Scrubber {
  #secrets: string[] = [];

  learn(secrets: readonly string[]): void {
    const long = secrets.filter((secret) => secret.length >= MIN_LENGTH);
    // Also as they stand inside JSON.
    const escaped = long.map((secret) => JSON.stringify(secret).slice(1, -1));
    const all = new Set([...this.#secrets, ...long, ...escaped]);
    // Longest first, so that a secret that is part of another one doesn't leave the rest of it.
    this.#secrets = [...all].sort((a, b) => b.length - a.length);
  }

  scrub(text: string): string {
    return this.#secrets.reduce((rest, secret) => rest.replaceAll(secret, '[secret]'), text);
  }
}
