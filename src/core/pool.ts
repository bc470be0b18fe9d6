/**
 * Runs up to `size` pieces of work at once: each worker takes a piece, works on it and takes the next, until
 * `take` has none. When a piece fails, nothing more is taken and `failed` is aborted for the others; the
 * first error is thrown once all have ended, so nothing goes on behind a pool that is over.
 */
export async function runPool<T>(
  size: number,
  take: () => Promise<T | undefined>,
  work: (piece: T, failed: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const errors: unknown[] = [];
  const worker = async () => {
    try {
      while (!failed.signal.aborted) {
        const piece = await take();
        if (piece === undefined) return;
        await work(piece, failed.signal);
      }
    } catch (error) {
      errors.push(error);
      failed.abort(error);
    }
  };
  await Promise.all(Array.from({ length: size }, worker));
  if (errors.length > 0) throw errors[0];
}
