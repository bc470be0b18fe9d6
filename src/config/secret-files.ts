import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { readText } from './read-text.js';
import type { Layer } from './layer.js';
import type { Problems } from './problems.js';
import type { Config, KeyPath } from './schema.js';

/**
 * The layer with the secrets its `…File` keys point to in the place of those keys, and with absolute paths of its
 * certificates, which are checked here. What is wrong is added to `problems`.
 */
export function readFilesOf(layer: Layer, problems: Problems): Layer {
  const { source, tracking, target, ...rest } = layer.config;
  const config: Config = { ...rest };
  if (source) {
    const { apiKeyFile, passwordFile, ...keys } = source;
    config.source = {
      ...keys,
      ...secret(layer, ['source', 'apiKey'], keys.apiKey, apiKeyFile, problems),
      ...secret(layer, ['source', 'password'], keys.password, passwordFile, problems),
      ...authority(layer, ['source', 'caFile'], keys.caFile, problems),
    };
  }
  if (tracking) {
    const { passwordFile, tls, ...keys } = tracking;
    config.tracking = {
      ...keys,
      ...secret(layer, ['tracking', 'password'], keys.password, passwordFile, problems),
      ...(tls && {
        tls: { ...tls, ...authority(layer, ['tracking', 'tls', 'caFile'], tls.caFile, problems) },
      }),
    };
  }
  if (target)
    config.target = {
      ...target,
      ...authority(layer, ['target', 'caFile'], target.caFile, problems),
    };
  return { ...layer, config };
}

const THE_FILE = 'the file that it names';

/** Docker writes secrets with and without a line break at the end; it is no part of them. */
function secret(
  layer: Layer,
  key: KeyPath,
  value: string | undefined,
  file: string | undefined,
  problems: Problems,
): Record<string, string> {
  if (file === undefined) return {};
  const fileKey = [...key.slice(0, -1), `${key.at(-1) ?? ''}File`];
  const complain = (message: string): Record<string, string> => {
    problems.add({ where: layer.where(fileKey), key: fileKey.join('.'), message });
    return {};
  };
  if (value !== undefined) return complain(`${key.join('.')} is set, too; keep one of them`);
  try {
    // Not named: who gives the secret itself in the place of its file's path is not to find it in a log.
    const text = readText(resolve(layer.directory, file), THE_FILE).replace(/\r?\n$/, '');
    if (text === '') return complain(`${THE_FILE} is empty`);
    return { [key.at(-1) ?? '']: text };
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  }
}

function authority(
  layer: Layer,
  key: KeyPath,
  file: string | undefined,
  problems: Problems,
): { caFile?: string } {
  if (file === undefined) return {};
  const path = resolve(layer.directory, file);
  try {
    new X509Certificate(readText(path, path));
  } catch (error) {
    const unreadable = error instanceof Error && error.name === 'MigrateError';
    const message = unreadable
      ? error.message
      : `${path} holds no PEM certificate (-----BEGIN CERTIFICATE-----)`;
    problems.add({ where: layer.where(key), key: key.join('.'), message });
  }
  return { caFile: path };
}
