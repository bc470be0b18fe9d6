/** Largest answer of a page read together: larger ones bring nothing, and wait longer for their last byte. */
const PAGE_BYTES = 8 << 20;

/**
 * Counted for an upload in flight besides its document: its socket, with what Node and TLS keep for it. Measured with 512 of them
 * under Node 20: 70 to 100 KiB of resident memory each by HTTP, 130 to 150 KiB by TLS.
 */
const UPLOAD_BYTES = 128 << 10;
/** Most of the budget that uploads in flight may take so, and that documents that wait for theirs are sure to find. */
const UPLOADS_SHARE = 1 / 4;
const WAITING_SHARE = 1 / 4;

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
  /** What is left for pages, for documents that wait to be uploaded, and for messages that are read alone. */
  readonly documentBytes: number;
  /** Most uploads of single documents in flight; 0 where there are none. */
  readonly uploads: number;
}

/**
 * Every one of `concurrency` batches can hold its page and its object at once. Where single documents are uploaded, the next
 * page is read beside that: uploads have a share for their sockets, and documents one to wait in. A message too large for a page is
 * read alone, while the others wait: its bytes are in memory twice, as the pieces of the answer and as one.
 *
 * @param budget bytes of documents in memory; Infinity for no limit
 * @param related number of related indices
 * @param uploads most uploads of single documents in flight that are wanted; 0: documents are written together
 */
export function shareMemory(
  budget: number,
  concurrency: number,
  related: number,
  uploads = 0,
): MemoryShares {
  const answers = 2 * (1 + related);
  const spoolBytes = Math.min(PAGE_BYTES, Math.floor(budget / 4 / concurrency));
  const rest = Number.isFinite(budget) ? budget - spoolBytes * concurrency : budget;
  const affordable = Math.max(1, Math.floor((budget * UPLOADS_SHARE) / UPLOAD_BYTES));
  const mostUploads = Math.min(uploads, affordable);
  const sockets = Number.isFinite(budget) ? mostUploads * UPLOAD_BYTES : 0;
  const documentBytes = Math.max(1, rest - sockets);
  const pages = uploads > 0 ? documentBytes * (1 - WAITING_SHARE) : documentBytes;
  // At most a third, so that a message too large for a page has more room when it is read alone.
  const pageBytes = Math.max(
    1,
    Math.min(PAGE_BYTES, Math.floor(pages / concurrency / answers), Math.floor(pages / 3)),
  );
  const largeBytes = Number.isFinite(budget)
    ? Math.max(1, Math.floor((rest - pageBytes) / 2))
    : MOST_BYTES;
  return {
    pageBytes,
    pageHold: pageBytes * answers,
    largeBytes,
    largeHold: largeBytes * 2 + pageBytes,
    spoolBytes,
    documentBytes,
    uploads: mostUploads,
  };
}

/** What one buffer can hold for certain. */
const MOST_BYTES = 2 ** 31 - 1;
