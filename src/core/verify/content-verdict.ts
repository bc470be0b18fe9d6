import type { FailedMessage } from '../tracking/outcomes.js';
import type { Digest, SourceDigest } from './content-source.js';
import type { FindingKind } from './types.js';

export interface Verdict {
  readonly kind: FindingKind;
  /** For people, on one line. */
  readonly detail: string;
}

/** How the detail of a finding begins where the bytes are wrong though nothing has changed on either side. */
export const SPOILED = 'spoiled by es-migrate';
const SHOWN_OF_ID = 60;
const SHOWN_OF_SHA = 12;

/** What is wrong with stored bytes, if they are not those that were recorded. */
export function storedVerdict(recorded: Buffer, stored: Digest): Verdict | undefined {
  if (recorded.equals(stored.sha256)) return undefined;
  const detail =
    `damaged in the target: SHA-256 ${shortSha(stored.sha256)}… of ${stored.bytes} bytes, ` +
    `recorded was ${shortSha(recorded)}…`;
  return { kind: 'mismatched', detail };
}

/**
 * What is wrong with a message whose stored bytes are those that were recorded, compared with Elasticsearch now. Other
 * bytes under the same revision are ours to answer for; under another one the source has changed since.
 *
 * @param now the document, or why Elasticsearch doesn't give it; undefined where it says neither
 * @param revisionThen looked up only where the bytes differ
 */
export async function verdictOf(
  stored: Digest,
  revisionThen: () => Promise<number | undefined>,
  now: SourceDigest | FailedMessage | undefined,
): Promise<Verdict | undefined> {
  if (now === undefined) return { kind: 'unreadable', detail: 'Elasticsearch did not give it' };
  if ('kind' in now) {
    const { code, detail } = now;
    if (code === 'missing') return { kind: 'deleted', detail };
    return { kind: 'unreadable', detail: `${code}: ${detail}` };
  }
  if (now.sha256.equals(stored.sha256)) return undefined;
  const revision = await revisionThen();
  const sizes = `${stored.bytes} bytes stored, ${now.bytes} bytes in Elasticsearch now`;
  if (revision === undefined || now.revision === undefined) {
    const detail = `${sizes}; changed at the source since, or spoiled: without a revision nobody can tell`;
    return { kind: 'changed', detail };
  }
  if (revision !== now.revision) {
    return { kind: 'changed', detail: `changed at the source since: ${sizes}` };
  }
  const checksums = `SHA-256 ${shortSha(stored.sha256)}… stored, ${shortSha(now.sha256)}… now`;
  const detail = `${SPOILED}: same revision at the source, other bytes: ${sizes}, ${checksums}`;
  return { kind: 'mismatched', detail };
}

export function shortSha(sha256: Buffer): string {
  return sha256.toString('hex').slice(0, SHOWN_OF_SHA);
}

/** As JSON and not too long, so that no id does anything to a terminal or a log. */
export function shownId(id: string): string {
  return JSON.stringify(id.length > SHOWN_OF_ID ? `${id.slice(0, SHOWN_OF_ID)}…` : id);
}
