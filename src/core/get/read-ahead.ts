/**
 * Reads the first bytes, or all where there are no more, before anything is given: what is wrong with them is thrown here,
 * not to the reader.
 *
 * @returns all of the chunks, those read included
 */
export async function readAhead(
  chunks: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<AsyncIterable<Uint8Array>> {
  const iterator = chunks[Symbol.asyncIterator]();
  const read: Uint8Array[] = [];
  for (let length = 0; length < bytes;) {
    const next = await iterator.next();
    if (next.done) break;
    read.push(next.value);
    length += next.value.length;
  }
  return continued(read, iterator);
}

async function* continued(
  read: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* read;
    yield* { [Symbol.asyncIterator]: () => iterator };
  } finally {
    await iterator.return?.();
  }
}
