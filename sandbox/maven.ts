import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { program, programVersion } from './prerequisites.js';
import { runTool } from './tool.js';

export const JAVA = programVersion('java', 'Java 17 or newer', ['default-jdk-headless'], {
  args: ['-version'],
  pattern: /version "(\d+)(?:\.(\d+))?/,
  atLeast: [17, 0],
});
export const MAVEN = program('mvn', 'Maven', ['maven']);

/**
 * Fetches all jars that a pom names, with those that they need, from Maven's repository.
 *
 * @param scratch an empty directory that goes later.
 * @throws MigrateError `usage` when they can't be had.
 */
export async function downloadJars(
  pom: string,
  into: string,
  scratch: string,
  stop?: AbortSignal,
): Promise<void> {
  // Maven leaves traces beside the file it reads, which may belong to somebody else.
  const copy = join(scratch, 'pom.xml');
  await cp(pom, copy);
  const args = ['-q', '-B', '-f', copy, 'dependency:copy-dependencies'];
  await runTool('mvn', [...args, `-DoutputDirectory=${into}`, '-DincludeScope=runtime'], {
    advice: "Check that Maven's repository (or the mirror in ~/.m2/settings.xml) can be reached.",
    stop,
  });
}
