import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { MigrateError, usage } from '../src/core/errors.js';
import { cacheDir } from './cache.js';
import { withLock } from './lock.js';
import { resource } from './package-root.js';
import { runTool } from './tool.js';

/** A program the sandbox doesn't bring along. */
export interface Prerequisite {
  /** As in "needs …": `Java 17 or newer`. */
  readonly what: string;
  /** Debian's and Ubuntu's packages with it. */
  readonly packages: readonly string[];
  /** What is wrong with what is there, or nothing when it will do. */
  problem(): Promise<string | undefined>;
}

/** Server programs live where an ordinary user's PATH doesn't look. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

const DOCKER = `Or, with Docker: docker compose -f ${resource('compose.yaml')} up`;

/** Full path of a program, or nothing. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat(SERVER_FOLDERS);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** A program that only has to be there. */
export function program(name: string, what: string, packages: readonly string[]): Prerequisite {
  return {
    what,
    packages,
    problem: () => Promise.resolve(findProgram(name) ? undefined : `${name} is not installed`),
  };
}

/**
 * A program that has to be there in a minimal version.
 *
 * @param version how it is asked, and where the version stands in its answer: major in the first group,
 *   minor (if any) in the second.
 */
export function programVersion(
  name: string,
  what: string,
  packages: readonly string[],
  version: { args: readonly string[]; pattern: RegExp; atLeast: readonly [number, number] },
): Prerequisite {
  return {
    what,
    packages,
    problem: async () => {
      const path = findProgram(name);
      if (path === undefined) return `${name} is not installed`;
      const answer = await runTool(path, version.args);
      const [found, major, minor] = version.pattern.exec(answer) ?? [];
      if (found === undefined) return `${name} doesn't tell its version`;
      const [wantedMajor, wantedMinor] = version.atLeast;
      const enough =
        Number(major) > wantedMajor ||
        (Number(major) === wantedMajor && Number(minor ?? 0) >= wantedMinor);
      return enough ? undefined : `${name} is too old (${found})`;
    },
  };
}

/**
 * Installs what is missing, as root by apt.
 *
 * @throws MigrateError `usage` with the one line that installs it, when this isn't root or there is no apt,
 *   or when what apt has is too old.
 */
export async function provide(
  prerequisites: readonly Prerequisite[],
  report: (line: string) => void,
): Promise<void> {
  const before = await unmet(prerequisites);
  if (before.length === 0) return;
  if (!mayInstall()) throw missing(before);
  const packages = before.flatMap(({ prerequisite }) => prerequisite.packages);
  report(`installing ${packages.join(' ')}`);
  await withLock(join(cacheDir(), 'apt.lock'), () => install(packages));
  const after = await unmet(prerequisites);
  if (after.length > 0) throw missing(after, "apt's own is not enough: install it from its makers");
}

/** Where this process can't install anything: refuses at once, with everything that is missing. */
export async function refuseUnlessInstallable(
  prerequisites: readonly Prerequisite[],
): Promise<void> {
  if (mayInstall()) return;
  const problems = await unmet(prerequisites);
  if (problems.length > 0) throw missing(problems);
}

interface Unmet {
  readonly prerequisite: Prerequisite;
  readonly problem: string;
}

async function unmet(prerequisites: readonly Prerequisite[]): Promise<Unmet[]> {
  const problems = await Promise.all(
    prerequisites.map(async (prerequisite) => {
      const problem = await prerequisite.problem();
      return problem === undefined ? [] : [{ prerequisite, problem }];
    }),
  );
  return problems.flat();
}

function mayInstall(): boolean {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined;
}

async function install(packages: readonly string[]): Promise<void> {
  const apt = (verb: string, ...args: string[]) =>
    runTool('apt-get', [verb, '-o', 'DPkg::Lock::Timeout=300', ...args], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      advice: `Check apt's sources and the network, or install by hand: ${packages.join(' ')}. ${DOCKER}`,
    });
  const attempt = () => apt('install', '-y', '--no-install-recommends', ...packages);
  try {
    await attempt();
  } catch {
    // A fresh image has no package lists yet, an old one has outdated ones.
    await apt('update');
    await attempt();
  }
}

function missing(problems: readonly Unmet[], advice = installLine(problems)): MigrateError {
  const wants = problems.map(({ prerequisite, problem }) => `${prerequisite.what} (${problem})`);
  return usage(`the sandbox needs ${wants.join(', ')}`, `${advice}. ${DOCKER}`);
}

function installLine(problems: readonly Unmet[]): string {
  const packages = [...new Set(problems.flatMap(({ prerequisite }) => prerequisite.packages))];
  return findProgram('apt-get')
    ? `Install: sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`
    : `Install: your system's equivalent of Debian's ${packages.join(' ')}`;
}
