import { createHash } from 'node:crypto';

/** The target holds other bytes than were stored. The message says in which way, without the object's name. */
export class DamagedObject extends Error {
  override readonly name = 'DamagedObject';
}

/**
 * The bytes of an object as they are read, compared at their end with the checksum recorded when it was stored.
 *
 * @param recorded SHA-256; undefined: nothing is compared
 * @throws DamagedObject instead of ending
 */
export async function* checked(
  object: AsyncIterable<Uint8Array>,
  recorded: Uint8Array | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash('sha256');
  for await (const chunk of object) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest();
  if (!recorded || found.equals(recorded)) return;
  const [was, is] = [recorded, found].map((sha) => Buffer.from(sha).toString('hex').slice(0, 12));
  throw new DamagedObject(`its SHA-256 is ${is}…, not ${was}… as when it was stored`);
}
