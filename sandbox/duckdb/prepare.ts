import { cached, isCached } from '../cache.js';
import { provide, type Prerequisite } from '../prerequisites.js';
import { installPackages, PIP, PYTHON } from '../python.js';

const VERSION = '1.4.5';
const NAME = `duckdb-${VERSION}`;

/** What has to be installed before {@link prepareDuckDb}: only Python once its package is there. */
export function duckDbPrerequisites(): Prerequisite[] {
  return isCached(NAME) ? [PYTHON] : [PYTHON, PIP];
}

/** Fetches DuckDB, once, and returns the directory of its package, for PYTHONPATH. */
export async function prepareDuckDb(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<string> {
  await provide(duckDbPrerequisites(), report);
  return cached(
    NAME,
    (into) => {
      report(`fetching ${NAME}, which reads documents as a user would, once`);
      return installPackages(`duckdb==${VERSION}`, into, stop);
    },
    () => report(`waiting for another process to fetch ${NAME}`),
    stop,
  );
}
