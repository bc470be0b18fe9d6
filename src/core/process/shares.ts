/** Largest answer of a page read together: larger ones bring nothing, and wait longer for their last byte. */
const PAGE_BYTES = 8 << 20;

/** How `limits.maxInFlightBytes` is shared out: constant for a process. */
export interface MemoryShares {
  /** Most bytes of one answer of a page. */
  readonly pageBytes: number;
  /** What a page takes of the budget: the messages' answer, one a related index, and the documents made of them. */
  readonly pageHold: number;
  /** Most bytes of a message that is read alone. */
  readonly largeBytes: number;
  /** What reading one message alone takes of the budget. */
  readonly largeHold: number;
  /** Bytes of an object held in memory; what exceeds them is staged. */
  readonly spoolBytes: number;
}

/**
 * Every one of `concurrency` batches can hold its page and its object at once. A message too large for a page is
 * read alone, while the others wait: its bytes are in memory twice, as the pieces of the answer and as one.
 *
 * @param budget bytes of documents in memory; Infinity for no limit
 * @param related number of related indices
 */
export function shareMemory(budget: number, concurrency: number, related: number): MemoryShares {
  const answers = 2 * (1 + related);
  const spoolBytes = Math.min(PAGE_BYTES, Math.floor(budget / 4 / concurrency));
  const pages = Number.isFinite(budget) ? budget - spoolBytes * concurrency : budget;
  // At most a third, so that a message too large for a page has more room when it is read alone.
  const pageBytes = Math.max(
    1,
    Math.min(PAGE_BYTES, Math.floor(pages / concurrency / answers), Math.floor(pages / 3)),
  );
  const largeBytes = Number.isFinite(budget)
    ? Math.max(1, Math.floor((pages - pageBytes) / 2))
    : MOST_BYTES;
  return {
    pageBytes,
    pageHold: pageBytes * answers,
    largeBytes,
    largeHold: largeBytes * 2 + pageBytes,
    spoolBytes,
  };
}

/** What one buffer can hold for certain. */
const MOST_BYTES = 2 ** 31 - 1;
