import { randomUUID } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { messageKey, type KeyStyle } from '../../src/core/objects/keys.js';
import type { Content, ObjectBody, Target } from '../../src/core/objects/target.js';
import { inFile, inMemory, never, noise, readAll, rejection, sha256Hex } from './contents.js';

export interface Place {
  readonly style: KeyStyle;
  /** A target at this place; each call opens another one. */
  open(): Promise<Target>;
  /** What an upload that did not end well left behind: temp files, parts. */
  leftovers(): Promise<string[]>;
}

const json = (content: Content): ObjectBody => ({ content, contentType: 'application/json' });
const text = async (value: string): Promise<ObjectBody> => json(await inMemory(Buffer.from(value)));

/** What every target keeps to; `newPlace` makes an empty one. */
export function targetContract(newPlace: () => Promise<Place>): void {
  async function opened(place: Place): Promise<Target> {
    const target = await place.open();
    onTestFinished(() => target.close());
    return target;
  }
  const newTarget = async (): Promise<Target> => opened(await newPlace());
  const read = async (target: Target, url: string): Promise<Buffer> =>
    readAll(await target.get(url, never));

  it('gives back what was put, by the URL it returned', async () => {
    const target = await newTarget();
    const bytes = noise(70_000, 'small');
    const stored = await target.put('messages/a.json', json(await inMemory(bytes, 1000)), never);
    expect(stored.url).toBe(target.urlOf('messages/a.json'));
    expect(stored.bytes).toBe(70_000);
    expect(Buffer.from(stored.sha256).toString('hex')).toBe(sha256Hex(bytes));
    expect(await read(target, stored.url)).toEqual(bytes);
  });

  it('replaces an object by a shorter one', async () => {
    const target = await newTarget();
    await target.put('messages/a.json', await text('a longer text'), never);
    const { url } = await target.put('messages/a.json', await text('short'), never);
    expect((await read(target, url)).toString()).toBe('short');
  });

  it('stores an object without bytes', async () => {
    const target = await newTarget();
    const stored = await target.put('messages/empty.json', await text(''), never);
    expect(stored.bytes).toBe(0);
    expect(await read(target, stored.url)).toHaveLength(0);
  });

  it('has nothing where nothing was put', async () => {
    const target = await newTarget();
    expect(await target.get(target.urlOf('messages/none.json'), never)).toBeUndefined();
  });

  it.each([
    ['memory', (bytes: Buffer) => inMemory(bytes, 700_001)],
    ['memory, in one piece', (bytes: Buffer) => inMemory(bytes)],
    ['a file', (bytes: Buffer) => inFile(bytes)],
  ])('stores 25 MB from %s', async (_from, content) => {
    const place = await newPlace();
    const target = await opened(place);
    const bytes = noise(25_000_003, 'large');
    const { url } = await target.put('messages/large.json', json(await content(bytes)), never);
    expect(sha256Hex(await read(target, url))).toBe(sha256Hex(bytes));
    expect(await place.leftovers()).toEqual([]);
  });

  it('stores a small object from a file', async () => {
    const target = await newTarget();
    const content = await inFile(Buffer.from('staged'));
    expect(content.kind).toBe('file');
    const { url } = await target.put('messages/a.json', json(content), never);
    expect((await read(target, url)).toString()).toBe('staged');
  });

  it('keeps messages with hostile ids apart', async () => {
    const place = await newPlace();
    const target = await opened(place);
    const ids = [
      ...['.', '..', '../../etc/passwd', '/', 'a/b', 'a\\b', '%2F', '100%', 'a', 'A', 'a ', ' a'],
      ...['"\'', '😀', 'é', 'e\u0301', '\n', '\0', '*?', '~', '.tmp-0', '.json', 'a+b', '?x=y#z'],
      ...['x'.repeat(512), `${'x'.repeat(511)}X`, '/'.repeat(512), '😀'.repeat(128)],
    ];
    const names = ids.flatMap((id) => [
      { id, index: 'one' },
      { id, index: 'two' },
    ]);
    const stored = await Promise.all(
      names.map(async (name) =>
        target.put(messageKey(name, place.style), await text(JSON.stringify(name)), never),
      ),
    );
    for (const [at, { url }] of stored.entries()) {
      expect((await read(target, url)).toString()).toBe(JSON.stringify(names[at]));
    }
  });

  it('stores many objects at once', async () => {
    const target = await newTarget();
    const keys = Array.from({ length: 200 }, (_, at) => messageKey({ id: `m-${at}` }, 'file'));
    const stored = await Promise.all(
      keys.map(async (key) => target.put(key, await text(key), never)),
    );
    const found = await Promise.all(stored.map(async ({ url }) => read(target, url)));
    expect(found.map(String)).toEqual(keys);
  });

  it('does not begin when it is to stop', async () => {
    const place = await newPlace();
    const target = await opened(place);
    const reason = new Error('stopped');
    const body = await text('x');
    expect(await rejection(target.put('messages/a.json', body, AbortSignal.abort(reason)))).toBe(
      reason,
    );
    expect(await target.get(target.urlOf('messages/a.json'), never)).toBeUndefined();
  });

  it('stops in the middle of an object and leaves nothing of it', async () => {
    const place = await newPlace();
    const target = await opened(place);
    const reason = new Error('stopped');
    const stop = new AbortController();
    const bytes = noise(25_000_000, 'stop');
    const content = await inMemory(bytes, 1_000_000);
    if (content.kind !== 'memory') throw new Error('expected memory');
    const chunks = content.chunks;
    /** Stops when the target comes for the chunk in the middle. */
    const stopping = new Proxy(chunks, {
      get: (all, name) => {
        if (name === '13') stop.abort(reason);
        return Reflect.get(all, name) as unknown;
      },
    });
    const body = json({ ...content, chunks: stopping });
    expect(await rejection(target.put('messages/a.json', body, stop.signal))).toBe(reason);
    expect(await target.get(target.urlOf('messages/a.json'), never)).toBeUndefined();
    expect(await place.leftovers()).toEqual([]);
  });

  it('is claimed by the first tracking database, again and again', async () => {
    const place = await newPlace();
    const owner = { databaseId: randomUUID() };
    await (await opened(place)).claimPrefix(owner, never);
    await (await opened(place)).claimPrefix(owner, never);
    const target = await opened(place);
    const marker = (await read(target, target.urlOf('_es-migrate.json'))).toString();
    expect(JSON.parse(marker)).toMatchObject({ format: 1, trackingDatabase: owner.databaseId });
    expect(await place.leftovers()).toEqual([]);
  });

  it('is refused to another tracking database, naming both', async () => {
    const place = await newPlace();
    const mine = { databaseId: randomUUID() };
    const other = { databaseId: randomUUID() };
    const target = await opened(place);
    await target.claimPrefix(mine, never);
    const before = await read(target, target.urlOf('_es-migrate.json'));
    const error = await rejection((await opened(place)).claimPrefix(other, never));
    expect(isMigrateError(error) && error.kind).toBe('usage');
    expect(String(error)).toContain(mine.databaseId);
    expect(String(error)).toContain(other.databaseId);
    expect(await read(target, target.urlOf('_es-migrate.json'))).toEqual(before);
  });

  it('is claimed by one of two that come at once', async () => {
    const place = await newPlace();
    const owners = Array.from({ length: 8 }, () => ({ databaseId: randomUUID() }));
    const targets = await Promise.all(owners.map(() => opened(place)));
    const outcomes = await Promise.allSettled(
      owners.map(async (owner, at) => targets[at]?.claimPrefix(owner, never)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toMatch(/belongs to/);
    }
    expect(await place.leftovers()).toEqual([]);
  });

  it.each([
    ['', /is not a marker/],
    ['not json', /is not a marker/],
    ['[]', /is not a marker/],
    ['{"format":1}', /is not a marker/],
    ['{"format":2,"trackingDatabase":"x"}', /has format 2/],
  ])('is refused where the marker is %j', async (marker, message) => {
    const target = await newTarget();
    await target.put('_es-migrate.json', await text(marker), never);
    const error = await rejection(target.claimPrefix({ databaseId: randomUUID() }, never));
    expect(isMigrateError(error) && error.kind).toBe('usage');
    expect(String(error)).toMatch(message);
    const kept = await read(target, target.urlOf('_es-migrate.json'));
    expect(kept.toString()).toBe(marker);
  });
}
