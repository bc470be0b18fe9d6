import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { program } from '../../sandbox/prerequisites.js';

const UNITS = fileURLToPath(new URL('../../deploy/systemd', import.meta.url));
const BINARY = fileURLToPath(new URL('../../bin/es-migrate.js', import.meta.url));

/** What the tests about systemd need on the machine. */
export const SYSTEMD = program('systemd-analyze', 'systemd', ['systemd']);

/** By which systemd-run waits for what it has started. */
export const DBUS = program('dbus-daemon', 'D-Bus', ['dbus']);

export const SERVICES = [
  'es-migrate-extract.service',
  'es-migrate-process.service',
  'es-migrate-process-once.service',
] as const;
export type Service = (typeof SERVICES)[number];

/** The drop-in of all services. */
export const COMMON = 'es-migrate-.service.d/common.conf';

export interface Units {
  readonly folder: string;
  /** Full paths of all services and timers. */
  readonly paths: readonly string[];
  /** Replaces text of one file; fails where it isn't there. */
  change(file: string, from: string | RegExp, to: string): Promise<void>;
}

/** A copy of the units as they are where es-migrate is installed, which here is the checkout. */
export async function copyUnits(): Promise<Units> {
  const folder = await mkdtemp(join(tmpdir(), 'units-'));
  await cp(UNITS, folder, { recursive: true });
  const names = (await readdir(folder)).filter((name) => /\.(service|timer)$/.test(name));
  const change = async (file: string, from: string | RegExp, to: string) => {
    const before = await readFile(join(folder, file), 'utf8');
    const after = before.replace(from, to);
    if (after === before) throw new Error(`${file} has no ${String(from)}`);
    await writeFile(join(folder, file), after);
  };
  for (const service of SERVICES) await change(service, '/usr/local/bin/es-migrate', BINARY);
  return { folder, paths: names.map((name) => join(folder, name)), change };
}

/** The values of a key, in the unit and the drop-in of all, split at blanks. */
export async function valuesOf(unit: string, key: string): Promise<string[]> {
  const files = unit.endsWith('.service') ? [unit, COMMON] : [unit];
  const texts = await Promise.all(files.map((file) => readFile(join(UNITS, file), 'utf8')));
  const lines = texts.flatMap((text) => text.split('\n'));
  const values = lines.filter((line) => line.startsWith(`${key}=`));
  return values.flatMap((line) => line.slice(key.length + 1).split(' '));
}

export interface Analysis {
  readonly code: number | null;
  /** Both streams. */
  readonly output: string;
}

/** Runs systemd-analyze, which needs no running systemd for what is asked here. */
export async function analyze(...args: readonly string[]): Promise<Analysis> {
  const child = spawn('systemd-analyze', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, output };
}
