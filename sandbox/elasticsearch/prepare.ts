import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, isCached } from '../cache.js';
import { JAVA, MAVEN, downloadJars } from '../maven.js';
import { resource } from '../package-root.js';
import { program, provide, type Prerequisite } from '../prerequisites.js';
import { runTool } from '../tool.js';

/** Raise it when the layout of what is built below changes. */
const LAYOUT = 1;

const JAVAC = program('javac', 'a Java compiler', ['default-jdk-headless']);

export interface PreparedElasticsearch {
  readonly version: string;
  /** Holds lib/ (the module path), launcher/ (classes) and home/ (with modules/). */
  readonly directory: string;
}

/** What has to be installed before {@link prepareElasticsearch}: only Java once it is built. */
export async function elasticsearchPrerequisites(): Promise<Prerequisite[]> {
  return isCached(cacheName(await pinnedVersion())) ? [JAVA] : [JAVA, JAVAC, MAVEN];
}

/**
 * Fetches Elasticsearch's jars from Maven's repository and compiles the launcher, once. The distribution
 * itself isn't needed: server and HTTP transport are 47 jars.
 */
export async function prepareElasticsearch(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<PreparedElasticsearch> {
  const version = await pinnedVersion();
  await provide(await elasticsearchPrerequisites(), report);
  const directory = await cached(
    cacheName(version),
    (into) => {
      report(`fetching Elasticsearch ${version}, once (40 MB)`);
      return build(into, version, stop);
    },
    () => report('waiting for another process to fetch Elasticsearch'),
    stop,
  );
  return { version, directory };
}

const cacheName = (version: string) => `elasticsearch-${version}-${LAYOUT}`;

async function pinnedVersion(): Promise<string> {
  const pom = await readFile(resource('elasticsearch', 'pom.xml'), 'utf8');
  const version = /<elasticsearch\.version>(.+)<\/elasticsearch\.version>/.exec(pom)?.[1];
  if (version === undefined) throw new Error('sandbox/elasticsearch/pom.xml pins no version');
  return version;
}

async function build(into: string, version: string, stop?: AbortSignal): Promise<void> {
  const at = (...parts: string[]) => join(into, ...parts);
  const modulePath = ['-p', at('lib'), '--add-modules', 'ALL-MODULE-PATH'];
  const netty = at('home', 'modules', 'transport-netty4');
  const root = at('home', 'modules', 'root');
  await Promise.all([netty, root, at('lib')].map((path) => mkdir(path, { recursive: true })));
  await downloadJars(resource('elasticsearch', 'pom.xml'), at('lib'), into, stop);
  for (const jar of await readdir(at('lib'))) {
    if (/^(netty|transport-netty4)-/.test(jar)) await rename(at('lib', jar), join(netty, jar));
  }
  const compile = (source: string, target: string) =>
    runTool('javac', ['-nowarn', ...modulePath, '-d', target, resource('elasticsearch', source)]);
  await Promise.all([
    describe('netty.properties', netty, version),
    describe('root.properties', root, version),
    compile('Launcher.java', at('launcher')),
    compile('RootPlugin.java', at('root')),
  ]);
  await runTool('jar', ['cf', join(root, 'root.jar'), '-C', at('root'), '.']);
}

/** Writes a module's descriptor, which must name the exact version of the server that loads it. */
async function describe(source: string, module: string, version: string): Promise<void> {
  const template = await readFile(resource('elasticsearch', source), 'utf8');
  const text = template.replaceAll('${version}', version);
  await writeFile(join(module, 'plugin-descriptor.properties'), text);
}
