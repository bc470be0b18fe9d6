import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { contentAsBuffer, contentChunks } from '../../src/core/objects/content.js';
import { createSpool } from '../../src/core/objects/spool.js';
import { noise, readAll, rejection, temporaryDirectory } from './contents.js';
import { mountDisk } from './disk.js';

describe('a spool', () => {
  it('gives back what was written, wherever it lies', async () => {
    const directory = await temporaryDirectory();
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.nat({ max: 400 }), async (written, memoryLimit) => {
        const expected = Buffer.concat(written);
        const spool = createSpool({ memoryLimit, directory });
        for (const chunk of written) await spool.write(chunk);
        const content = await spool.finish();
        expect(content.kind).toBe(expected.length > memoryLimit ? 'file' : 'memory');
        expect(content.bytes).toBe(expected.length);
        expect(Buffer.from(content.sha256)).toEqual(createHash('sha256').update(expected).digest());
        expect(Buffer.from(await contentAsBuffer(content))).toEqual(expected);
        expect(await readAll(contentChunks(content))).toEqual(expected);
        await spool.discard();
        await spool.discard();
      }),
    );
    expect(await readdir(directory)).toEqual([]);
  });

  it('keeps the staging file to its user', async () => {
    const spool = createSpool({ memoryLimit: 0, directory: await temporaryDirectory() });
    await spool.write(Buffer.from('secret'));
    const content = await spool.finish();
    if (content.kind !== 'file') throw new Error('expected a file');
    expect((await stat(content.path)).mode & 0o777).toBe(0o600);
  });

  it('removes the file when it is discarded half-way', async () => {
    const directory = await temporaryDirectory();
    const spool = createSpool({ memoryLimit: 1, directory });
    await spool.write(Buffer.from('abc'));
    expect(await readdir(directory)).toHaveLength(1);
    await spool.discard();
    expect(await readdir(directory)).toEqual([]);
  });

  it('says that the disk is full, and leaves nothing there', async () => {
    const disk = await mountDisk({ kilobytes: 64 });
    onTestFinished(() => disk.unmount());
    const spool = createSpool({ memoryLimit: 0, directory: disk.path });
    const error = await rejection(spool.write(noise(200_000, 'full')));
    expect(isMigrateError(error) && error.kind).toBe('unavailable');
    expect(String(error)).toMatch(/No space left for the staging file/);
    expect(await readdir(disk.path)).toEqual([]);
  });

  it('notices bytes that changed while they were staged', async () => {
    const spool = createSpool({ memoryLimit: 0, directory: await temporaryDirectory() });
    await spool.write(Buffer.from('abc'));
    const content = await spool.finish();
    if (content.kind !== 'file') throw new Error('expected a file');
    const changed = { ...content, sha256: createHash('sha256').update('abd').digest() };
    expect(await readFile(content.path, 'utf8')).toBe('abc');
    await expect(contentAsBuffer(changed)).rejects.toThrow(/changed or damaged/);
    await expect(readAll(contentChunks(changed))).rejects.toThrow(/changed or damaged/);
    await spool.discard();
    await expect(contentAsBuffer(content)).rejects.toThrow(/cannot be read/);
    await expect(readAll(contentChunks(content))).rejects.toThrow(/cannot be read/);
  });
});
