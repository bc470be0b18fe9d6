import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { program, programVersion, provide } from '../../sandbox/prerequisites.js';
import { runTool } from '../../sandbox/tool.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'es-migrate-path-'));
  // Nothing but what a test puts there can be found, apt-get included.
  vi.stubEnv('PATH', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function install(name: string, script: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, name), 0o755);
}

const GO = programVersion('go', 'Go 1.21 or newer', ['golang-go'], {
  args: ['version'],
  pattern: /go(\d+)\.(\d+)/,
  atLeast: [1, 21],
});

test.each([
  ['go1.19.8', 'go is too old (go1.19)'],
  ['go1.21.0', undefined],
  ['go1.100', undefined],
  ['go2.0', undefined],
  ['devel', "go doesn't tell its version"],
])('Go %s: %s', async (version, problem) => {
  await install('go', `echo go version ${version} linux/amd64`);
  expect(await GO.problem()).toBe(problem);
});

test('what is missing and cannot be installed is one error, with all of it and the way out', async () => {
  await install('go', 'echo go version go1.19.8');
  const maven = program('mvn', 'Maven', ['maven']);
  await expect(
    provide([GO, maven], () => expect.fail('nothing is installed')),
  ).rejects.toMatchObject({
    kind: 'usage',
    message:
      'the sandbox needs Go 1.21 or newer (go is too old (go1.19)), Maven (mvn is not installed)',
    advice: expect.stringMatching(
      /Debian's golang-go maven\. Or, with Docker: .*compose\.yaml up/,
    ) as string,
  });
});

test('what is there is left alone', async () => {
  await install('mvn', 'exit 1');
  await provide([program('mvn', 'Maven', ['maven'])], () => expect.fail('nothing is installed'));
});

test('a tool that fails is one error with the end of its output', async () => {
  await install('fetch', 'echo one; echo two >&2; exit 3');
  await expect(runTool('fetch', ['jars'], { advice: 'Look.' })).rejects.toMatchObject({
    kind: 'usage',
    message: 'fetch jars failed (exit code 3):\n    one\n    two',
    advice: 'Look.',
  });
  await expect(runTool('nothing', [])).rejects.toThrow(/nothing {2}?failed \(.*ENOENT\)/);
});
