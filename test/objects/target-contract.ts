import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { messageKey, type KeyStyle } from '../../src/core/objects/keys.js';
import type { Content, ListedObject, ObjectBody, Target } from '../../src/core/objects/target.js';
import { inFile, inMemory, never, noise, readAll, rejection, sha256Hex } from './contents.js';

export interface Place {
  readonly style: KeyStyle;
  /** A target at this place; each call opens another one. */
  open(): Promise<Target>;
  /** What an upload that did not end well left behind: temp files, parts. */
  leftovers(): Promise<string[]>;
  /** Where its objects lie as files, and others can put theirs. */
  readonly directory: string;
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

  const small = Buffer.from('{"a":1}');
  const large = noise(12_000_000, 'contract');
  const sizes: [string, (seed: string) => Promise<ObjectBody>][] = [
    ['a small object', (seed) => text(seed)],
    ['a large object', async (seed) => json(await inMemory(noise(12_000_000, seed), 1_000_000))],
    ['a large object from a file', async (seed) => json(await inFile(noise(12_000_000, seed)))],
  ];

  it.each(sizes)('does not write %s again that is there already', async (_size, make) => {
    const place = await newPlace();
    const target = await opened(place);
    const first = await target.put('messages/a.json', await make('same'), never);
    const asked = () => Promise.reject(new Error('asked before replacing'));
    const again = await target.put('messages/a.json', await make('same'), never, asked);
    expect(again).toEqual(first);
    expect(await place.leftovers()).toEqual([]);
  });

  it.each(sizes)('asks before it replaces %s, once', async (_size, make) => {
    const place = await newPlace();
    const target = await opened(place);
    let asked = 0;
    const ask = () => Promise.resolve(void (asked += 1));
    const old = await target.put('messages/a.json', await make('one'), never, ask);
    expect(asked).toBe(0);
    const stored = await target.put('messages/a.json', await make('two'), never, ask);
    expect(asked).toBe(1);
    expect(stored.sha256).not.toEqual(old.sha256);
    expect(sha256Hex(await read(target, stored.url))).toBe(
      Buffer.from(stored.sha256).toString('hex'),
    );
    expect(await place.leftovers()).toEqual([]);
  });

  it.each(sizes)('replaces nothing where that is refused: %s', async (_size, make) => {
    const place = await newPlace();
    const target = await opened(place);
    const { url, sha256 } = await target.put('messages/a.json', await make('mine'), never);
    const refusal = new Error('the lease is lost');
    const put = target.put('messages/a.json', await make('late'), never, () =>
      Promise.reject(refusal),
    );
    expect(await rejection(put)).toBe(refusal);
    expect(sha256Hex(await read(target, url))).toBe(Buffer.from(sha256).toString('hex'));
    expect(await place.leftovers()).toEqual([]);
  });

  it.each(sizes)('does not replace what changed while it asked: %s', async (_size, make) => {
    const place = await newPlace();
    const [target, successor] = [await opened(place), await opened(place)];
    await target.put('messages/a.json', await make('old'), never);
    const refusal = new Error('the lease is lost');
    const theirs = await make('successor');
    let asked = 0;
    const put = target.put('messages/a.json', await make('late'), never, async () => {
      asked += 1;
      if (asked > 1) throw refusal;
      await successor.put('messages/a.json', theirs, never);
    });
    expect(await rejection(put)).toBe(refusal);
    const found = await read(target, target.urlOf('messages/a.json'));
    expect(sha256Hex(found)).toBe(Buffer.from(theirs.content.sha256).toString('hex'));
    expect(await place.leftovers()).toEqual([]);
  });

  it('lets one of many that put the same key at once be first, and the others look', async () => {
    const place = await newPlace();
    const bodies = await Promise.all(Array.from({ length: 8 }, (_, at) => text(`body ${at}`)));
    const refusal = new Error('taken');
    const outcomes = await Promise.allSettled(
      bodies.map(async (body) => {
        const target = await opened(place);
        return target.put('messages/a.json', body, never, () => Promise.reject(refusal));
      }),
    );
    const first = outcomes.findIndex(({ status }) => status === 'fulfilled');
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const target = await opened(place);
    const found = await read(target, target.urlOf('messages/a.json'));
    expect(found.toString()).toBe(`body ${first}`);
  });

  it.each([
    ['the first bytes', 0, 10],
    ['bytes in the middle', 100_000, 70_001],
    ['the last byte', 12_000_000 - 1, 1],
    ['what there is of a range beyond the end', 12_000_000 - 5, 1000],
    ['nothing of a range behind the end', 12_000_000, 1],
  ])('reads %s', async (_what, start, bytes) => {
    const target = await newTarget();
    const { url } = await target.put('messages/a.json', json(await inMemory(large)), never);
    const found = await readAll(await target.get(url, never, { start, bytes }));
    expect(found.equals(large.subarray(start, start + bytes))).toBe(true);
  });

  it('has no range of what is not there', async () => {
    const target = await newTarget();
    const range = { start: 0, bytes: 1 };
    expect(await target.get(target.urlOf('messages/none.json'), never, range)).toBeUndefined();
  });

  it.each([
    ['a small object', small],
    ['a large one', large],
  ])('knows length and version of %s as put and list do', async (_size, bytes) => {
    const target = await newTarget();
    const stored = await target.put('messages/a.json', json(await inMemory(bytes)), never);
    const found = await target.stat(stored.url, never);
    expect(found?.bytes).toBe(bytes.length);
    expect(found?.etag).toBe(stored.etag);
    expect(stored.etag ?? '').not.toContain('"');
    if (found?.sha256) expect(Buffer.from(found.sha256)).toEqual(Buffer.from(stored.sha256));
    expect((await target.list(undefined, never)).objects).toEqual([
      { key: 'messages/a.json', bytes: bytes.length, etag: stored.etag },
    ]);
    expect(await target.stat(target.urlOf('messages/none.json'), never)).toBeUndefined();
  });

  async function plant(place: Place, keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const path = join(place.directory, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, key);
    }
  }

  async function listed(target: Target, after?: string): Promise<string[]> {
    const all: ListedObject[] = [];
    let from = after;
    for (;;) {
      const { objects, last } = await target.list(from, never);
      expect(objects.length).toBeLessThanOrEqual(1000);
      all.push(...objects);
      if (last) return all.map(({ key }) => key);
      from = objects.at(-1)?.key;
    }
  }

  const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

  it('lists nothing where nothing is', async () => {
    const target = await newTarget();
    expect(await target.list(undefined, never)).toEqual({ objects: [], last: true });
    await target.claimPrefix({ databaseId: randomUUID() }, never);
    expect(await target.list(undefined, never)).toEqual({ objects: [], last: true });
  });

  it('lists ours and others, from any key on, in the order of their bytes', async () => {
    const place = await newPlace();
    const target = await opened(place);
    await target.claimPrefix({ databaseId: randomUUID() }, never);
    const ids = ['a/b', '100%', '😀', 'a b', '~', 'é', '"\'<&>', 'x'.repeat(512)];
    const ours = ids.map((id) => messageKey({ id }, place.style));
    for (const key of ours) await target.put(key, await text(key), never);
    const theirs = ['a/b', 'a.b', 'a-b', 'a0', 'ab/c/d', 'é/+ &', 'Z', 'z', '\u{10000}', '\uffee'];
    await plant(place, theirs);
    const expected = [...ours, ...theirs].sort(byBytes);
    expect(await listed(target)).toEqual(expected);
    for (const [at, key] of expected.entries()) {
      expect(await listed(target, key)).toEqual(expected.slice(at + 1));
    }
    expect(await listed(target, 'a')).toEqual(expected.filter((key) => byBytes(key, 'a') > 0));
    expect(await listed(target, 'a/')).toEqual(expected.filter((key) => byBytes(key, 'a/') > 0));
  });

  it('lists a thousand at a time, and deletes as many as it is told', async () => {
    const place = await newPlace();
    const target = await opened(place);
    const keys = Array.from({ length: 2345 }, (_, at) => `d${at % 7}/${at % 3}/f-${at}`);
    await plant(place, keys);
    expect(await listed(target)).toEqual(keys.sort(byBytes));
    const first = await target.list(undefined, never);
    expect([first.objects.length, first.last]).toEqual([1000, false]);
    // Another process goes on where this one stopped.
    const rest = keys.slice(1000);
    expect(await listed(await opened(place), keys[999])).toEqual(rest);
    const gone = rest.slice(0, 1100);
    await target.delete([...gone, 'gone/already', 'd0/gone-already'], never);
    expect(await listed(target, keys[999])).toEqual(rest.slice(1100));
    await target.delete([], never);
    await target.delete(gone, never);
  });

  it('deletes what it put', async () => {
    const place = await newPlace();
    const target = await opened(place);
    const ids = ['a', 'a/b', '..', '😀', '"<&>\'', 'x'.repeat(512), '\0'];
    const keys = ids.map((id) => messageKey({ id }, place.style));
    for (const key of keys) await target.put(key, await text(key), never);
    const [kept = '', ...others] = keys;
    await target.delete(others, never);
    expect(await listed(target)).toEqual([kept]);
    expect(await target.get(target.urlOf(others[0] ?? ''), never)).toBeUndefined();
    await target.put(others[0] ?? '', await text('again'), never);
    expect((await read(target, target.urlOf(others[0] ?? ''))).toString()).toBe('again');
  });

  it('has no unfinished uploads after all went well, and forgets those it is told to', async () => {
    const target = await newTarget();
    await target.put('messages/a.json', json(await inMemory(large)), never);
    expect(await target.unfinished(never)).toEqual([]);
    await target.abandon({ key: 'messages/a.json', id: 'gone-already' }, never);
    expect(await target.stat(target.urlOf('messages/a.json'), never)).toBeDefined();
  });

  it('knows the key of its own URLs, and of no others', async () => {
    const place = await newPlace();
    const target = await opened(place);
    const ids = ['a', 'a/b', '..', '%2F', '100%', '😀', '?x=y#z', 'a b', '\0', 'x'.repeat(512)];
    for (const id of ids) {
      const key = messageKey({ id }, place.style);
      expect(target.keyOf(target.urlOf(key))).toBe(key);
    }
    const url = target.urlOf('messages/a.json');
    const root = url.slice(0, -'/messages/a.json'.length);
    for (const other of [
      '',
      'nonsense',
      root,
      `${root}/`,
      `${root}2/messages/a.json`,
      `${root.slice(0, -1)}/messages/a.json`,
      url.replace(/^\w+:/, 'gs:'),
      `https://example.com/${url}`,
      'file://host/messages/a.json',
      's3://another-bucket/some/prefix/messages/a.json',
    ]) {
      expect(target.keyOf(other)).toBeUndefined();
    }
  });

  it('says which steps of an upload it has reached', async () => {
    const target = await newTarget();
    const reached: unknown[] = [];
    const listen = (step: unknown) => reached.push(step);
    subscribe('es-migrate:step', listen);
    onTestFinished(() => void unsubscribe('es-migrate:step', listen));
    await target.claimPrefix({ databaseId: randomUUID() }, never);
    expect(reached).toEqual([]);
    await target.put('messages/a.json', await text('x'), never);
    expect(reached).toEqual(['upload-begun', 'object-uploaded']);
    await target.put('messages/b.json', json(await inMemory(large)), never);
    expect(reached.slice(2).filter((step) => step !== 'part-uploaded')).toEqual([
      'upload-begun',
      'object-uploaded',
    ]);
    expect(reached.at(-1)).toBe('object-uploaded');
  });
}
