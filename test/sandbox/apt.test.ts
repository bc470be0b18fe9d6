import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { program, programVersion, provide } from '../../sandbox/prerequisites.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'es-migrate-path-'));
  vi.stubEnv('PATH', folder);
  vi.stubEnv('ES_MIGRATE_SANDBOX_CACHE', join(folder, 'cache'));
  // Knows packages only after an update, as on a fresh image; installing makes a `tool` that tells its version.
  await script(
    'apt-get',
    `echo "$@" >>${folder}/log
case "$*" in
  update*) : >${folder}/lists;;
  install*) [ -e ${folder}/lists ] || { echo 'E: Unable to locate package'; exit 100; }
    { echo '#!/bin/sh'; echo 'echo version 1.19'; } >${folder}/tool; /bin/chmod +x ${folder}/tool;;
esac`,
  );
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function script(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`);
  await chmod(join(folder, name), 0o755);
}

const asRoot = test.skipIf(process.getuid?.() !== 0);

asRoot('apt is updated where it knows no packages, then what is missing installed', async () => {
  const report = vi.fn();
  await provide([program('tool', 'Tool', ['tool-package'])], report);
  expect(report.mock.calls).toEqual([['installing tool-package']]);
  const verbs = (await readFile(join(folder, 'log'), 'utf8')).match(/^\w+/gm);
  expect(verbs).toEqual(['install', 'update', 'install']);
});

asRoot('where apt has only an old one, installing it again is not advised', async () => {
  const tool = programVersion('tool', 'Tool 1.21 or newer', ['tool-package'], {
    args: [],
    pattern: /(\d+)\.(\d+)/,
    atLeast: [1, 21],
  });
  await expect(provide([tool], () => undefined)).rejects.toMatchObject({
    kind: 'usage',
    message: 'the sandbox needs Tool 1.21 or newer (tool is too old (1.19))',
    advice: expect.stringMatching(/^apt's own is not enough: .* with Docker: /) as string,
  });
});
