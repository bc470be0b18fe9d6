import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { pathOf, textOf } from './files.js';
import { templateOf, tools, type JsonObject } from './templates.js';

const run = promisify(execFile);

/** Where npm puts the package's deploy/ on a worker. */
const INSTALLED = '/usr/local/lib/node_modules/es-migrate/deploy/';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'es-migrate-host-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** What bash and shellcheck say of a script; nothing where they have nothing to say. */
async function complaints(path: string): Promise<string> {
  const { packages, env } = await tools();
  const said = async (program: string, args: readonly string[]) => {
    try {
      const { stdout, stderr } = await run(program, [...args, path], { env });
      return stdout + stderr;
    } catch (error) {
      const { stdout, stderr, code } = error as { stdout: string; stderr: string; code: unknown };
      return `${program} ended with ${String(code)}: ${stdout}${stderr}`;
    }
  };
  const shellcheck = join(packages, 'bin', 'shellcheck');
  return (await said('bash', ['-n'])) + (await said(shellcheck, ['--severity=style']));
}

describe('the user data', () => {
  let script: string;

  beforeAll(async () => {
    const { Resources } = await templateOf('ec2-autoscaling');
    const data = Resources['WorkerTemplate']?.Properties['LaunchTemplateData'];
    const { UserData } = data as { readonly UserData: JsonObject };
    const { 'Fn::Sub': text } = UserData['Fn::Base64'] as { readonly 'Fn::Sub': string };
    script = text.replaceAll(/\$\{([\w:]+)\}/g, (_all, name: string) => name.replaceAll(':', ''));
  }, 600_000);

  test('is a script that bash and shellcheck have nothing to say about', async () => {
    const path = join(await folder(), 'user-data.sh');
    await writeFile(path, script);
    expect(await complaints(path)).toBe('');
    // They would.
    await writeFile(path, `${script}echo $HOME\n`);
    expect(await complaints(path)).toContain('SC2086');
    await writeFile(path, `${script}if true; then\n`);
    expect(await complaints(path)).toContain('syntax error');
  });

  /** Runs it up to what needs the package, on programs that only note what they were called with. */
  async function installing(
    tarball: string,
    sha256: string,
  ): Promise<{ code: number; calls: string }> {
    const path = await folder();
    const calls = join(path, 'calls');
    const note = `#!/bin/bash\necho "$(basename "$0") $*" >>'${calls}'\n`;
    // The AWS CLI brings the tarball to where its last argument says.
    const aws = `${note}printf '%s' '${tarball}' >"\${!#}"\n`;
    for (const [name, text] of Object.entries({ dnf: note, 'npm-22': note, aws }))
      await writeFile(join(path, name), text, { mode: 0o755 });
    const [begin = '', rest] = script.split('deploy=');
    expect(rest).toBeDefined();
    await writeFile(join(path, 'begin.sh'), begin.replace('PackageSha256', sha256));
    const env = { ...process.env, PATH: `${path}:${process.env['PATH'] ?? ''}`, TMPDIR: path };
    const code = await run('bash', [join(path, 'begin.sh')], { env }).then(
      () => 0,
      (error: unknown) => (error as { code: number }).code,
    );
    return { code, calls: await readFile(calls, 'utf8') };
  }

  test('installs the package that was named by its hash, without any of its scripts', async () => {
    const hash = createHash('sha256').update('the package').digest('hex');
    const { code, calls } = await installing('the package', hash);
    expect(code).toBe(0);
    expect(calls).toMatch(/^npm-22 install .*--ignore-scripts .*es-migrate\.tgz$/m);
  });

  test.each([
    ['another package', 'another', createHash('sha256').update('the package').digest('hex')],
    ['nothing that was brought', '', createHash('sha256').update('the package').digest('hex')],
    ['no hash', 'the package', ''],
    ['a hash that is none', 'the package', 'x'.repeat(64)],
  ])('installs %s never', async (_what, tarball, hash) => {
    const { code, calls } = await installing(tarball, hash);
    expect(code).not.toBe(0);
    expect(calls).toContain('aws s3 cp');
    expect(calls).not.toContain('npm-22');
  });

  test('fetches over TLS alone, whatever it is redirected to', () => {
    for (const line of script.split('\n').filter((one) => /\bcurl\b/.test(one)))
      expect(line).toMatch(/--proto =https --proto-redir =https --tlsv1\.2 /);
  });

  test('is no longer than EC2 takes', () => {
    expect(Buffer.byteLength(script)).toBeLessThan(14_000);
  });

  test('installs what the package has', () => {
    const named = script.match(/(?<=\$deploy"?\/)[\w/.-]+/g) ?? [];
    expect(named.length).toBeGreaterThan(3);
    const here = named.map((path) => path.replace(/\/$/, ''));
    expect(here.filter((path) => !existsSync(pathOf(path)))).toEqual([]);
    expect(here).toContain('ec2-autoscaling/drain-es-migrate.service');
  });

  test('shows no secret: it is never an argument, and its file is closed before it is filled', () => {
    const lines = script.split('\n');
    const at = (part: string) => lines.findIndex((line) => line.includes(part));
    expect(at('install -m 0600 /dev/null /etc/es-migrate/secrets.env')).toBeGreaterThan(0);
    expect(at('install -m 0600 /dev/null')).toBeLessThan(at('>/etc/es-migrate/secrets.env'));
    expect(script).not.toMatch(/set -\w*x/);
    expect(script.match(/get-secret-value/g)).toHaveLength(1);
    expect(lines[at('get-secret-value')]).toMatch(/ \|$/);
  });
});

describe('the unit that drains', () => {
  test('runs the script of the package, and again where that failed', async () => {
    const unit = await textOf('ec2-autoscaling/drain-es-migrate.service');
    const [, command = ''] = /^ExecStart=(.+)$/m.exec(unit) ?? [];
    expect(command.startsWith(INSTALLED)).toBe(true);
    const script = pathOf(command.slice(INSTALLED.length));
    await access(script, constants.X_OK);
    expect(await complaints(script)).toBe('');
    expect(unit).toMatch(/^Restart=on-failure$/m);
  });

  test('has a name of its own: units named es-migrate-… run as es-migrate, which may not stop any', async () => {
    const files = await readdir(pathOf('ec2-autoscaling'));
    const units = files.filter((file) => file.endsWith('.service'));
    expect(units).toHaveLength(1);
    expect(units.filter((unit) => unit.startsWith('es-migrate-'))).toEqual([]);
  });
});

describe('a secret as an environment file', () => {
  const written = async (secret: string) => {
    const path = join(await folder(), 'secrets.env');
    const program = pathOf('ec2-autoscaling/secrets-env.mjs');
    const child = run(process.execPath, [program]);
    child.child.stdin?.end(secret);
    const { stdout } = await child;
    await writeFile(path, stdout);
    return path;
  };

  test('says the same values, whatever stands in them', async () => {
    const secret = {
      ES_MIGRATE_TRACKING_PASSWORD: `a b"c'd$e\`f\\g#h;i=j\\n%k!`,
      ES_MIGRATE_SOURCE_API_KEY: '$(touch /tmp/never) ${HOME}',
    };
    const path = await written(JSON.stringify(secret));
    // Within double quotes a shell reads as systemd does.
    const say = `set -a; . '${path}'; "$0" -e 'process.stdout.write(JSON.stringify(process.env))'`;
    const { stdout } = await run('bash', ['-c', say, process.execPath]);
    expect(JSON.parse(stdout)).toMatchObject(secret);
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(3);
  });

  test.each([
    ['no JSON', 'sesame'],
    ['a list', '["sesame"]'],
    ['nothing', '{}'],
    ['a number', '{"ES_MIGRATE_TRACKING_PASSWORD": 7, "ES_MIGRATE_X": "sesame"}'],
    ['a variable of another program', '{"LD_PRELOAD":"sesame"}'],
    ['a name with a line break', '{"ES_MIGRATE_X\\nLD_PRELOAD":"sesame"}'],
  ])('is refused where it is %s, without showing it', async (_what, secret) => {
    const error = await written(secret).then(
      () => undefined,
      (thrown: unknown) => thrown as { code: number; stdout: string; stderr: string },
    );
    expect(error).toMatchObject({ code: 2, stdout: '' });
    expect(error?.stderr).toMatch(/^es-migrate: the secret is not a JSON object of ES_MIGRATE_/);
    expect(error?.stderr).not.toContain('sesame');
  });
});
