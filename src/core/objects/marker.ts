/**
 * `PREFIX/_es-migrate.json`: says which tracking database writes here, so that two of them never mix their
 * objects under one prefix, and how keys are made, for whoever finds the objects without this program.
 */
import { usage } from '../errors.js';
import { Fault, type Server } from '../fault.js';
import type { KeyStyle } from './keys.js';
import type { ClaimedPrefix, PrefixOwner } from './target.js';

export const markerKey = '_es-migrate.json';

/** The marker's place, as each target offers it. */
export interface MarkerStore {
  readonly server: Server;
  /** URL of the marker, for messages. */
  readonly url: string;
  readonly style: KeyStyle;
  read(): Promise<string | undefined>;
  /** Writes the marker if there is none; leaves another's untouched, without an error, where the server can. */
  create(text: string): Promise<void>;
  /** Writes it again, which shows that the target can be written. */
  replace(text: string): Promise<void>;
  /** Asks for it to be written only where there is none, as there is: whether the target heeds that. */
  heedsConditions(text: string): Promise<boolean>;
}

/**
 * Claims a prefix for a tracking database. An absent marker is created and read back, since another run may
 * have been faster; one of our own is written again with the same content.
 *
 * @returns what was seen of the target
 * @throws MigrateError `usage` where the prefix belongs to another database or the marker is not one
 */
export async function claimMarker(store: MarkerStore, owner: PrefixOwner): Promise<ClaimedPrefix> {
  const found = await store.read();
  if (found !== undefined) {
    checkOwner(found, store, owner);
    await store.replace(found);
    return { ignoresConditions: !(await store.heedsConditions(found)) };
  }
  await store.create(markerText(owner.databaseId, store.style));
  const written = await store.read();
  if (written === undefined) {
    throw new Fault(
      store.server,
      'retriable',
      'MarkerMissing',
      `${store.url} was written but cannot be read`,
    );
  }
  checkOwner(written, store, owner);
  return { ignoresConditions: !(await store.heedsConditions(written)) };
}

/** @throws MigrateError `usage` where the marker is none of ours, or another database's */
export function checkOwner(
  text: string,
  store: Pick<MarkerStore, 'url'>,
  owner: PrefixOwner,
): void {
  const found = parseMarker(text);
  if (found === undefined) {
    throw usage(
      `${store.url} is not a marker of es-migrate`,
      'Choose another prefix in target.url, or remove that object if nothing here is needed any more.',
    );
  }
  if (found.format !== 1) {
    throw usage(
      `${store.url} has format ${found.format}; this version of es-migrate knows format 1`,
      'Use the version of es-migrate that wrote it, or a newer one.',
    );
  }
  if (found.trackingDatabase !== owner.databaseId) {
    throw usage(
      `The prefix ${store.url.slice(0, -markerKey.length - 1)} belongs to tracking database ${found.trackingDatabase}, but tracking.url is ${owner.databaseId}`,
      'Choose another prefix in target.url, or the tracking database that writes here.',
    );
  }
}

function parseMarker(text: string): { format: number; trackingDatabase: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('format' in value && 'trackingDatabase' in value)) return undefined;
  const { format, trackingDatabase } = value;
  if (typeof format !== 'number' || typeof trackingDatabase !== 'string') return undefined;
  return { format, trackingDatabase };
}

function markerText(databaseId: string, style: KeyStyle): string {
  const hashes = style === 'file' ? '{first byte of sha256(id), hex}/{second byte}/' : '';
  const marker = {
    format: 1,
    trackingDatabase: databaseId,
    keys: {
      message: `messages/${hashes}{id}.json, or messages/{index}/${hashes}{id}.json where several indices are the source`,
      batch: 'batches/job-{job}/batch-{batch}-{claim}.ndjson.gz',
      batchIndex: '_index/job-{job}/batch-{batch}-{claim}.index.json.gz',
      encoding:
        'UTF-8 bytes of {id} and {index} other than A-Z a-z 0-9 . _ - are %XX; a path segment longer than 200 bytes is ~ and the SHA-256 in hex (before .json)',
    },
  };
  return `${JSON.stringify(marker, null, 2)}\n`;
}
