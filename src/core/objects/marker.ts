/**
 * `PREFIX/_es-migrate.json`: says which tracking database writes here, so that two of them never mix their
 * objects under one prefix, and how keys are made, for whoever finds the objects without this program.
 */
import { usage, type MigrateError } from '../errors.js';
import { Fault, type Server } from '../fault.js';
import { FILE_KEY_STYLES, type FileKeyStyle, type KeyStyle } from './keys.js';
import type { ClaimedPrefix, PrefixOwner } from './target.js';

export const markerKey = '_es-migrate.json';
/** Bytes of the longest marker that is read; one has some 700. */
export const LONGEST_MARKER = 64 << 10;

/** The marker's place, as each target offers it. */
export interface MarkerStore {
  readonly server: Server;
  /** URL of the marker, for messages. */
  readonly url: string;
  /** How keys have to be made there. */
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
    const style = styleOf(checkOwner(found, store, owner), store);
    await store.replace(found);
    return claimed(style, !(await store.heedsConditions(found)));
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
  const style = styleOf(checkOwner(written, store, owner), store);
  return claimed(style, !(await store.heedsConditions(written)));
}

function claimed(keyStyle: FileKeyStyle | undefined, ignoresConditions: boolean): ClaimedPrefix {
  return { ignoresConditions, ...(keyStyle && { keyStyle }) };
}

/**
 * How keys are made, where the marker is a directory's: as they were when it was written, since objects of that style are there.
 * @throws MigrateError `usage` where the file system cannot keep keys of that style apart, or the style is not known
 */
export function styleOf(
  { style: written = 'file' }: Marker,
  { url, style: needed }: Pick<MarkerStore, 'url' | 'style'>,
): FileKeyStyle | undefined {
  if (needed === 's3') return undefined;
  const style = FILE_KEY_STYLES.find((one) => one === written);
  if (style === undefined) {
    throw usage(
      `${url} says that keys are made in a way that this version of es-migrate does not know`,
      'Use the version of es-migrate that wrote it, or a newer one.',
    );
  }
  if (needed === 'file-caseless' && style === 'file') {
    throw usage(
      `The file system of ${url} takes names that differ only in case for the same, but objects there were named as if it did not`,
      'Put the directory back on a file system that tells upper case from lower case, or migrate into an empty directory.',
    );
  }
  return style;
}

/** There is something in the marker's place. */
export function notAMarker(url: string): MigrateError {
  return usage(
    `${url} is not a marker of es-migrate`,
    'Choose another prefix in target.url, or remove that object if nothing here is needed any more.',
  );
}

/**
 * Reads a marker.
 * @throws MigrateError `usage` where the marker is none of ours, or another database's
 */
export function checkOwner(
  text: string,
  store: Pick<MarkerStore, 'url'>,
  owner: PrefixOwner,
): Marker {
  const found = parseMarker(text);
  if (found === undefined) throw notAMarker(store.url);
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
  return found;
}

export interface Marker {
  readonly format: number;
  readonly trackingDatabase: string;
  /** How keys are made; markers of a bucket, and those of earlier builds, do not say. */
  readonly style?: string;
}

function parseMarker(text: string): Marker | undefined {
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
  const keys = 'keys' in value ? value.keys : undefined;
  const style = typeof keys === 'object' && keys && 'style' in keys ? keys.style : undefined;
  return {
    format,
    trackingDatabase,
    ...(style !== undefined && {
      style: typeof style === 'string' ? style : JSON.stringify(style),
    }),
  };
}

function markerText(databaseId: string, style: KeyStyle): string {
  const hashes = style === 's3' ? '' : '{first byte of sha256(id), hex}/{second byte}/';
  const others = {
    s3: '',
    file: '; so are the first letter of names that Windows keeps for devices, and a dot at the end of {index}',
    'file-caseless':
      '; so are upper-case letters, the first letter of names that Windows keeps for devices, and a dot at the end of {index}',
  };
  const marker = {
    format: 1,
    trackingDatabase: databaseId,
    keys: {
      ...(style !== 's3' && { style }),
      message: `messages/${hashes}{id}.json, or messages/{index}/${hashes}{id}.json where several indices are the source`,
      batch: 'batches/job-{job}/batch-{batch}-{claim}.ndjson.gz',
      batchIndex: '_index/job-{job}/batch-{batch}-{claim}.index.json.gz',
      encoding: `UTF-8 bytes of {id} and {index} other than A-Z a-z 0-9 . _ - are %XX${others[style]}; a path segment longer than 200 bytes is ~ and the SHA-256 in hex (before .json)`,
    },
  };
  return `${JSON.stringify(marker, null, 2)}\n`;
}
