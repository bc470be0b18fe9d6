import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { prepareCfnLint } from '../../sandbox/cfn-lint/prepare.js';
import { pathOf } from './files.js';

const run = promisify(execFile);
const EXPAND = fileURLToPath(new URL('expand.py', import.meta.url));

/** Any part of a template; what is looked for is asked for where it stands. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface Resource extends JsonObject {
  readonly Type: string;
  readonly Properties: JsonObject;
}

/** As CloudFormation gets it. */
export interface Template {
  readonly Parameters: Readonly<Record<string, JsonObject>>;
  readonly Resources: Readonly<Record<string, Resource>>;
}

/** What is wrong with a template. */
export interface Finding {
  /** Of cfn-lint, such as E3002; `SAM` where AWS can't make CloudFormation of it. */
  readonly rule: string;
  readonly message: string;
}

export interface Checked {
  readonly findings: readonly Finding[];
  /** Undefined where nothing could be made of it. */
  readonly template: Template | undefined;
}

/** Told once, and only where something is fetched. */
const report = (line: string) => process.stderr.write(`${line}\n`);

/** The environment in which the locked Python packages and shellcheck are found. */
export async function tools(): Promise<{ packages: string; env: NodeJS.ProcessEnv }> {
  const packages = await prepareCfnLint(report);
  return { packages, env: { ...process.env, PYTHONPATH: packages } };
}

/**
 * Checks templates by cfn-lint, at all its levels, as they are written and as what AWS makes of them where they are SAM:
 * cfn-lint knows little of what may stand below `Events`.
 *
 * @param form `made`: as they are written only where AWS makes nothing of them, which takes half as long
 */
export async function check(
  texts: readonly string[],
  form: 'both' | 'made' = 'both',
): Promise<Checked[]> {
  const folder = await mkdtemp(join(tmpdir(), 'es-migrate-templates-'));
  try {
    const written = await Promise.all(
      texts.map(async (text, at) => {
        const path = join(folder, `written-${at}.yaml`);
        await writeFile(path, text);
        return path;
      }),
    );
    const expanded = await expand(written);
    const made = join(folder, 'made');
    await mkdir(made);
    const files = await Promise.all(
      expanded.map(async ({ template }, at) => {
        const path = join(made, `${at}.json`);
        if (template) await writeFile(path, JSON.stringify(template));
        return template ? [path] : [];
      }),
    );
    const asWritten = written.filter((_path, at) => form === 'both' || !expanded[at]?.template);
    const found = await lint([...asWritten, ...files.flat()]);
    return expanded.map(({ error, template }, at) => ({
      template,
      findings: [
        ...found.filter(({ file }) => [`written-${at}.yaml`, `${at}.json`].includes(file)),
        ...(error === undefined ? [] : [{ rule: 'SAM', message: error }]),
      ].map(({ rule, message }) => ({ rule, message })),
    }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One of deploy's templates as CloudFormation gets it, unchecked. */
export async function templateOf(name: string): Promise<Template> {
  const [expanded] = await expand([pathOf(`${name}/template.yaml`)]);
  if (!expanded?.template) throw new Error(`${name}: ${expanded?.error ?? 'nothing was made'}`);
  return expanded.template;
}

interface Expanded {
  readonly template?: Template;
  readonly error?: string;
}

async function expand(files: readonly string[]): Promise<Expanded[]> {
  const { env } = await tools();
  const { stdout } = await run('python3', [EXPAND, ...files], {
    ...LARGE,
    // It asks for one, whatever it is.
    env: { ...env, AWS_DEFAULT_REGION: 'eu-west-1' },
  });
  return lines(stdout).map((line) => JSON.parse(line) as Expanded);
}

interface Match {
  readonly Filename: string;
  readonly Message: string;
  readonly Rule: { readonly Id: string };
}

async function lint(files: readonly string[]): Promise<(Finding & { file: string })[]> {
  const { env } = await tools();
  const program = 'import sys; from cfnlint.runner import main; sys.exit(main())';
  const options = ['--include-checks', 'I', '--regions', 'eu-west-1'];
  const { stdout } = await run(
    'python3',
    // Findings are told by its output; any other exit code than 0 is a failure of its own.
    ['-c', program, '--format', 'json', '--non-zero-exit-code', 'none', ...options, '--', ...files],
    { ...LARGE, env },
  );
  return (JSON.parse(stdout) as Match[]).map(({ Filename, Message, Rule }) => ({
    file: basename(Filename),
    rule: Rule.Id,
    message: Message,
  }));
}

const LARGE = { maxBuffer: 256 * 1024 ** 2 };

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

/** A template's resources of one type, by name. */
export function resourcesOf(template: Template, type: string): [string, JsonObject][] {
  return Object.entries(template.Resources)
    .filter(([, resource]) => resource.Type === type)
    .map(([name, { Properties }]) => [name, Properties]);
}

/** Everything in a value that is an object, itself included. */
export function* objectsIn(value: Json | undefined): Generator<JsonObject> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as JsonObject;
  for (const inner of Object.values(value)) yield* objectsIn(inner as Json);
}
