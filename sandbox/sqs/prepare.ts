import { readFile } from 'node:fs/promises';
import { cached, isCached } from '../cache.js';
import { JAVA, MAVEN, downloadJars } from '../maven.js';
import { resource } from '../package-root.js';
import { provide, type Prerequisite } from '../prerequisites.js';

/** What has to be installed before {@link prepareSqs}: only Java once its jars are there. */
export async function sqsPrerequisites(): Promise<Prerequisite[]> {
  return isCached(cacheName(await pinnedVersion())) ? [JAVA] : [JAVA, MAVEN];
}

/** Fetches ElasticMQ's jars, once, and returns their directory. */
export async function prepareSqs(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<string> {
  const version = await pinnedVersion();
  await provide(await sqsPrerequisites(), report);
  return cached(
    cacheName(version),
    (into) => {
      report(`fetching the SQS server ElasticMQ ${version}, once (60 MB)`);
      return downloadJars(resource('sqs', 'pom.xml'), into, into, stop);
    },
    () => report('waiting for another process to fetch ElasticMQ'),
    stop,
  );
}

const cacheName = (version: string) => `elasticmq-${version}`;

async function pinnedVersion(): Promise<string> {
  const pom = await readFile(resource('sqs', 'pom.xml'), 'utf8');
  const version = /<elasticmq\.version>(.+)<\/elasticmq\.version>/.exec(pom)?.[1];
  if (version === undefined) throw new Error('sandbox/sqs/pom.xml pins no version');
  return version;
}
