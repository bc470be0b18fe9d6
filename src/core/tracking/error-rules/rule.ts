/** Errors of MySQL, MariaDB and of the way to them: which class each belongs to, and what the operator reads. */

/**
 * What happens next.
 *
 * - `connection`: the connection is lost, or the server behind it can't be used any more. It and all idle connections
 *   are closed, the address is resolved and opened again, and the transaction is run again for up to `retryFor`.
 * - `read-only`: the same. If the server is still read-only after `retryFor`, exit 2: it is not down.
 * - `wait`: the transaction is run again for up to `retryFor`, on the same connections.
 * - `no-space`: exit 5 at once; the work in hand is released as far as the server allows.
 * - `refused`: exit 2 at once, since only the operator can change it.
 * - `bug`: exit 1. Whatever no rule names.
 */
export type ErrorClass = 'connection' | 'read-only' | 'wait' | 'no-space' | 'refused' | 'bug';

export type Product = 'MySQL' | 'MariaDB';

export interface ErrorRule {
  readonly class: Exclude<ErrorClass, 'bug'>;
  readonly numbers: readonly number[];
  /** Only where the message says so: several causes share one number. */
  readonly when?: RegExp;
  /** The numbers mean this on one product only. */
  readonly on?: Product;
  /** What it means, for docs/MYSQL-ERRORS.md. */
  readonly what: string;
  /** What to do; `connection` and `wait` say it only if the trouble outlasts `retryFor`. */
  readonly advice?: string;
}

/** What the driver, Node.js or the operating system call what went wrong on the way to the server. */
export interface DriverRule {
  readonly class: 'connection' | 'refused';
  readonly codes: readonly string[];
  readonly what: string;
  readonly advice?: string;
}
