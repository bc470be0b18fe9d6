import { usage } from '../core/errors.js';
import type { Settings } from '../core/settings.js';
import { configuredVariables, readEnvironment } from './environment.js';
import { FILE_NAMES, findConfigFile, readConfigFile, readJsonFile } from './file.js';
import { requireOwnFile, type User } from './found-file.js';
import { checkLayer, type RawLayer } from './layer.js';
import { has, mergeLayers, origin } from './merge.js';
import { Problems } from './problems.js';
import type { KeyPath } from './schema.js';
import { readFilesOf } from './secret-files.js';
import { demandKeys, settle, type Needs } from './settle.js';

/** Flags that are configuration, as given. */
export interface ConfigFlags {
  readonly batchSize?: string;
  readonly concurrency?: string;
  /** Path of a file with a query as JSON. */
  readonly filter?: string;
}

export interface LoadRequest {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: ConfigFlags;
  /** `--config`; without it the working directory is looked through. */
  readonly configPath?: string | undefined;
  readonly needs: Needs;
  /** Whose configuration files in the working directory are read, besides root's. */
  readonly user: User;
}

export interface Loaded {
  readonly settings: Settings;
  /** One line each, to be shown in every run. */
  readonly warnings: readonly string[];
  /** What the settings were read from, such as `es-migrate.yaml, ES_MIGRATE_TRACKING_PASSWORD`. Names only. */
  readonly describedBy: string;
}

/**
 * Reads flags, environment and file, in this order of precedence, and fills in the defaults.
 *
 * @throws MigrateError `usage`, whose message has one line for each problem of all three
 */
export function loadSettings({ cwd, env, flags, configPath, needs, user }: LoadRequest): Loaded {
  const file = findConfigFile(cwd, configPath);
  const check = file && configPath === undefined ? requireOwnFile(file, user) : undefined;
  const variables = configuredVariables(env);
  if (file === undefined && variables.length === 0) {
    throw usage(
      `nothing is configured: write ${FILE_NAMES[0]} in ${cwd} (the README shows one) or set ES_MIGRATE_SOURCE_URL and ` +
        'the like; es-migrate demo needs neither',
    );
  }
  const problems = new Problems();
  const raw = [
    ...(file === undefined ? [] : [readConfigFile(file, problems, check)]),
    readEnvironment(env, cwd, problems),
    readFlags(flags, cwd, problems),
  ];
  const layers = raw.map((layer) => readFilesOf(checkLayer(layer, problems), problems));
  // Of a file that can't be parsed nobody knows what it says.
  if (raw.some((layer) => layer.values === undefined)) problems.throwIfAny();
  const mentioned = (key: KeyPath): boolean => raw.some((layer) => has(layer.values, key));
  const where = (key: KeyPath): string | undefined => origin(layers, key);
  const warnings = (file?.ignored ?? []).map(
    (name) => `${name} is not read: ${file?.name ?? ''} comes first`,
  );
  demandKeys(needs, mentioned, problems);
  const settings = settle(mergeLayers(layers), { problems, warnings, where, mentioned });
  problems.throwIfAny();
  const describedBy = [...(file ? [file.name] : []), ...variables].join(', ');
  return { settings, warnings, describedBy };
}

const FLAG_OF = new Map([
  ['batchSize', '--batch-size'],
  ['concurrency', '--concurrency'],
  ['source.filter', '--filter'],
]);

function readFlags(
  { batchSize, concurrency, filter }: ConfigFlags,
  cwd: string,
  problems: Problems,
): RawLayer {
  const query = filter === undefined ? undefined : readJsonFile(filter, cwd, '--filter', problems);
  const values = {
    ...(batchSize !== undefined && { batchSize }),
    ...(concurrency !== undefined && { concurrency }),
    ...(query && { source: { filter: query } }),
  };
  return { values, where: (key) => FLAG_OF.get(key.join('.')), directory: cwd };
}
