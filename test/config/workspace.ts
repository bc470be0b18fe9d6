import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { loadSettings, type Loaded, type LoadRequest } from '../../src/config/load.js';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder of its own with these files; removed after the test. */
export function workspace(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'es-migrate-config-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** The least that every command is content with. */
export const MINIMAL = `source:
  url: http://localhost:9200
  index: messages
  dateField: timestamp
tracking:
  url: mysql://es_migrate@localhost/es_migrate
target:
  url: s3://bucket/prefix
`;

type Given = Partial<LoadRequest> & { readonly files?: Readonly<Record<string, string>> };

/** Loads the settings of a folder with `files`, by default with MINIMAL as its es-migrate.yaml. */
export function load({ files = { 'es-migrate.yaml': MINIMAL }, ...given }: Given = {}): Loaded {
  const needs = { source: true, target: true };
  const user = { uid: process.getuid?.(), sudoUid: undefined };
  return loadSettings({ cwd: workspace(files), env: {}, flags: {}, needs, user, ...given });
}

/** The lines of the error that loading ends with. */
export function problems(given: Given): string[] {
  try {
    load(given);
  } catch (error) {
    if (
      error instanceof Error &&
      error.name === 'MigrateError' &&
      'kind' in error &&
      error.kind === 'usage'
    )
      return error.message.split('\n');
    throw error;
  }
  throw new Error('it loaded without a problem');
}

/** The problems of MINIMAL with more lines at its end. */
export const problemsWith = (yaml: string): string[] =>
  problems({ files: { 'es-migrate.yaml': MINIMAL + yaml } });
