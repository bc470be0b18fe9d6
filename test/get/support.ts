import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { loadSettings } from '../../src/config/load.js';
import { currentUser } from '../../src/host/user.js';
import { connect, type Connections } from '../../src/core/connect.js';
import { getDocument, type FoundDocument } from '../../src/core/get/get-document.js';
import type { ByteRange, Target } from '../../src/core/objects/target.js';
import type { Run, RunEvent } from '../../src/core/run.js';
import { readAll } from '../objects/contents.js';
import { withMethod } from '../process/support.js';
import { quietRun } from '../support/core.js';
import type { Project } from '../support/project.js';

export interface Reading {
  readonly url: string;
  readonly range: ByteRange | undefined;
  /** Bytes that came. */
  bytes: number;
}

export interface Getter {
  readonly run: Run;
  readonly on: Connections;
  /** What was asked of the target since it was last emptied. */
  readonly readings: Reading[];
  /** Warnings since they were last emptied. */
  readonly warnings: string[];
  /** The document as text, or what was found instead. */
  readonly get: (messageId: string) => Promise<string | FoundDocument>;
}

/** A project's database and target, with every byte counted that is read of the target. For one test. */
export async function getter(project: Project): Promise<Getter> {
  const warnings: string[] = [];
  const report = (event: RunEvent) => {
    if (event.type === 'log' && event.level === 'warn') warnings.push(event.message);
  };
  const run = quietRun(report);
  const needs = { source: false, target: true };
  const { cwd, env } = project;
  const user = currentUser({});
  const { settings } = loadSettings({ user, cwd, env, flags: {}, configPath: undefined, needs });
  const connected = await connect(settings, needs, run);
  onTestFinished(() => connected.close());
  const readings: Reading[] = [];
  const target = counting(connected.target, readings);
  const { database, policy, leases, hasSchema } = connected;
  const on = { settings, database, policy, leases, hasSchema, target } as unknown as Connections;
  return {
    run,
    on,
    readings,
    warnings,
    get: async (messageId) => {
      const found = await getDocument(run, on, { messageId });
      return found.kind === 'found' ? (await readAll(found.bytes)).toString() : found;
    },
  };
}

function counting(target: Target, readings: Reading[]): Target {
  const get: Target['get'] = async (url, signal, range) => {
    const reading = { url, range, bytes: 0 };
    readings.push(reading);
    const object = await target.get(url, signal, range);
    return object && counted(object, reading);
  };
  return withMethod(target, 'get', get);
}

async function* counted(
  object: AsyncIterable<Uint8Array>,
  reading: Reading,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of object) {
    reading.bytes += chunk.length;
    yield chunk;
  }
}

/** Where the object of a URL lies as a file. */
export function fileOf(project: Project, url: string): string {
  const key = url.slice(project.urlPrefix.length);
  // A file URL encodes what the key holds; an S3 URL is the key as it is.
  return join(project.objects, url.startsWith('file:') ? decodeURIComponent(key) : key);
}

export interface Index {
  readonly object: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly members: readonly number[];
  readonly documents: readonly {
    readonly message_id: string;
    readonly index: string;
    readonly member: number;
    readonly line: number;
    readonly revision: number | null;
  }[];
}

/** An index as anybody would read it: it is gzip and JSON, no more. */
export function decodeIndex(stored: Buffer): Index {
  return JSON.parse(gunzipSync(stored).toString('utf8')) as Index;
}

/** Where a document lies in its object, from the index alone. */
export function placeIn(index: Index, id: string): ByteRange & { readonly line: number } {
  const document = index.documents.find((one) => one.message_id === id);
  if (!document) throw new Error(`the index does not name ${id}`);
  const start = index.members[document.member] ?? NaN;
  return {
    start,
    bytes: (index.members[document.member + 1] ?? index.bytes) - start,
    line: document.line,
  };
}
