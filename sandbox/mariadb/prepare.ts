import { join } from 'node:path';
import { OPENSSL } from '../certificates.js';
import { cached } from '../cache.js';
import { findProgram, programVersion, provide, type Prerequisite } from '../prerequisites.js';
import { runTool } from '../tool.js';

const MARIADB = programVersion(
  'mariadbd',
  'MariaDB 10.6 or newer',
  ['mariadb-server-core', 'mariadb-client-core'],
  { args: ['--no-defaults', '--version'], pattern: /(\d+)\.(\d+)\.\d+-MariaDB/, atLeast: [10, 6] },
);

export interface PreparedMariadb {
  readonly program: string;
  /** As `10.11.19`. */
  readonly version: string;
  /** A data directory as the installer leaves it; to be copied, never used. */
  readonly emptyData: string;
}

/** What has to be installed before {@link prepareMariadb}. */
export const mariadbPrerequisites: readonly Prerequisite[] = [MARIADB, OPENSSL];

/** Makes sure MariaDB's programs are there, and lays out one empty data directory to copy from. */
export async function prepareMariadb(
  report: (line: string) => void,
  stop?: AbortSignal,
): Promise<PreparedMariadb> {
  await provide(mariadbPrerequisites, report);
  const program = findProgram('mariadbd') ?? 'mariadbd';
  const answer = await runTool(program, ['--no-defaults', '--version']);
  const version = /\d+\.\d+\.\d+/.exec(answer)?.[0] ?? 'unknown';
  const layOut = async (into: string) => {
    await runTool('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${join(into, 'data')}`,
      // Without it there would be an anonymous user, who hides every named one on the socket.
      '--skip-test-db',
      '--auth-root-authentication-method=socket',
      '--innodb-log-file-size=32M',
      ...asRoot(),
    ]);
  };
  const directory = await cached(`mariadb-data-${version}`, layOut, undefined, stop);
  return { program, version, emptyData: join(directory, 'data') };
}

/** MariaDB refuses to run as root unless it is told to. */
export function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}
