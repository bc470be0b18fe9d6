import { cached, isCached } from '../cache.js';
import { provide, type Prerequisite } from '../prerequisites.js';
import { installPackages, PIP, PYTHON } from '../python.js';

const VERSION = '5.2.5';
const NAME = `moto-${VERSION}`;

/** What has to be installed before {@link prepareAws}: only Python once its packages are there. */
export function awsPrerequisites(): Prerequisite[] {
  return isCached(NAME) ? [PYTHON] : [PYTHON, PIP];
}

/** Fetches moto, once, and returns the directory of its packages. */
export async function prepareAws(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<string> {
  await provide(awsPrerequisites(), report);
  return cached(
    NAME,
    (into) => {
      report(`fetching ${NAME}, which stands for other services of AWS, once (1 minute)`);
      return installPackages(`moto[server]==${VERSION}`, into, stop);
    },
    () => report(`waiting for another process to fetch ${NAME}`),
    stop,
  );
}
