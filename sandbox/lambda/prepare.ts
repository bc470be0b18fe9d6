import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { usage } from '../../src/core/errors.js';
import { cached } from '../cache.js';
import { program, provide, type Prerequisite } from '../prerequisites.js';
import { runTool } from '../tool.js';

/** AWS's own client of the Runtime API, as it is in Lambda's images, and a Node that it runs on. */
const CLIENT = '4.0.2';
const NODE = '22.23.3';
const NAME = `lambda-runtime-${CLIENT}-node-${NODE}`;

/** The client compiles a part of it, with its own curl. */
const BUILD_TOOLS: readonly Prerequisite[] = [
  program('autoconf', 'autoconf', ['autoconf']),
  program('automake', 'automake', ['automake']),
  program('libtoolize', 'libtool', ['libtool']),
  program('cmake', 'CMake', ['cmake']),
  program('make', 'make', ['make']),
  program('g++', 'a C++ compiler', ['g++']),
  program('python3', 'Python 3', ['python3']),
  program('xz', 'xz', ['xz-utils']),
];

/** Programs of the Lambda runtime, by their paths. */
export interface LambdaRuntime {
  readonly node: string;
  /** What Node is given to run. */
  readonly client: string;
}

/**
 * Builds the Lambda runtime, once.
 *
 * @throws MigrateError `usage` where a build tool is missing and can't be installed from here, or the build fails
 */
export async function prepareLambdaRuntime(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<LambdaRuntime> {
  const directory = await cached(
    NAME,
    (into) => build(into, report, stop),
    () => report(`waiting for another process to build ${NAME}`),
    stop,
  );
  return at(directory);
}

function at(directory: string): LambdaRuntime {
  const modules = join(directory, 'node_modules');
  return {
    node: join(modules, 'node', 'bin', 'node'),
    client: join(modules, 'aws-lambda-ric', 'index.mjs'),
  };
}

async function build(
  into: string,
  report: (line: string) => void,
  stop: AbortSignal | undefined,
): Promise<void> {
  await provide(BUILD_TOOLS, report);
  report(`building the Lambda runtime ${CLIENT} on Node ${NODE}, once (1 to 4 minutes)`);
  const manifest = {
    private: true,
    dependencies: { 'aws-lambda-ric': CLIENT, node: NODE },
    // Newer versions of npm run the scripts of no package that isn't named.
    allowScripts: { 'aws-lambda-ric': true, node: true },
  };
  await writeFile(join(into, 'package.json'), JSON.stringify(manifest));
  const options = ['--no-audit', '--no-fund', '--loglevel', 'error', '--engine-strict=false'];
  await runTool('npm', ['install', ...options], {
    cwd: into,
    env: headersOf(process.execPath),
    advice: 'Check that the package registry (npm config get registry) can be reached.',
    stop,
  });
  const { node, client } = at(into);
  const isBuilt = [node, join(dirname(client), 'rapid-client.node')].every((path) =>
    existsSync(path),
  );
  if (!isBuilt)
    throw usage(
      'npm installed the Lambda runtime without building it',
      'Allow install scripts (npm config get ignore-scripts should say false), and remove nothing: nothing was kept.',
    );
}

/** Where Node came with its headers these are taken, instead of being fetched: what is built fits any version. */
function headersOf(node: string): Record<string, string> {
  const prefix = join(dirname(node), '..');
  return existsSync(join(prefix, 'include', 'node', 'node_api.h'))
    ? { npm_config_nodedir: prefix }
    : {};
}
