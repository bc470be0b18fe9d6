import { usage } from '../core/errors.js';
import { oneLine } from '../core/one-line.js';

/** One thing that is wrong with what the user wrote. Rendered as one line; never holds a secret. */
export interface Problem {
  /** Where it was written: `es-migrate.yaml:12`, `ES_MIGRATE_BATCH_SIZE`, `--batch-size`. */
  readonly where?: string | undefined;
  /** Path of the key, such as `source.url`. */
  readonly key?: string | undefined;
  readonly message: string;
}

/** Collects problems, so that all of them are told at once. */
export class Problems {
  private readonly found: Problem[] = [];

  add(problem: Problem): void {
    this.found.push(problem);
  }

  get any(): boolean {
    return this.found.length > 0;
  }

  /**
   * Ends the run if there is any problem.
   *
   * @throws MigrateError `usage`, with one line for each problem
   */
  throwIfAny(): void {
    if (!this.any) return;
    const lines = new Set(this.found.map(renderProblem));
    throw usage([...lines]);
  }
}

/** `where: key: message`, on one line. */
export function renderProblem({ where, key, message }: Problem): string {
  const parts = [where, key, message].filter((part) => part !== undefined && part !== '');
  return oneLine(parts.join(': '));
}
