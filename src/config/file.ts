import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve, relative } from 'node:path';
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
} from 'yaml';
import { usage } from '../core/errors.js';
import { toJsonText, JsonText } from './json-text.js';
import type { RawLayer } from './layer.js';
import type { Problems } from './problems.js';
import type { KeyPath } from './schema.js';
import { aliasProblem, yamlProblem } from './yaml-errors.js';

/** Looked for in the working directory, in this order. */
export const FILE_NAMES = ['es-migrate.yaml', 'es-migrate.yml', 'es-migrate.json'] as const;

export interface ConfigFile {
  /** As shown to the user: relative where that is shorter. */
  readonly name: string;
  readonly path: string;
  /** Others of FILE_NAMES that lie beside it and are not read. */
  readonly ignored: readonly string[];
}

/**
 * The file to read: `--config`, else the first of FILE_NAMES in the working directory; undefined without any.
 *
 * @throws MigrateError `usage` where the file of `--config` doesn't exist
 */
export function findConfigFile(
  cwd: string,
  configPath: string | undefined,
): ConfigFile | undefined {
  if (configPath !== undefined) {
    const path = resolve(cwd, configPath);
    if (!existsSync(path)) throw usage(`--config: there is no file ${path}`);
    return { name: shown(cwd, path), path, ignored: [] };
  }
  const [name, ...ignored] = FILE_NAMES.filter((candidate) => existsSync(resolve(cwd, candidate)));
  return name === undefined ? undefined : { name, path: resolve(cwd, name), ignored };
}

/**
 * Reads a configuration file. JSON is read by the YAML parser, too, since that one knows where each key stands.
 * Where it can't be parsed, which is added to `problems`, the layer has no values.
 *
 * @throws MigrateError `usage` where the file can't be read
 */
export function readConfigFile(file: ConfigFile, problems: Problems): RawLayer {
  const text = readText(file.path, file.name);
  const lines = new LineCounter();
  const at = (offset: number): string => `${file.name}:${lines.linePos(offset).line}`;
  // The parser's pretty errors quote the line they are about, and its warnings a key: either may hold a password.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error',
  });
  // Objects of JavaScript have it already, and the schema passes over it without a word.
  visit(document, {
    Pair: (_, { key }) => {
      if (!isScalar(key) || key.value !== '__proto__') return;
      problems.add({
        where: at(key.range?.[0] ?? 0),
        key: '__proto__',
        message: 'no key can have this name',
      });
    },
  });
  for (const error of document.errors)
    problems.add({ where: at(error.pos[0]), message: yamlProblem(error) });
  if (document.errors.length === 0 && file.path.endsWith('.json') && !isJson(text)) {
    problems.add({
      where: file.name,
      message: 'is not JSON (perhaps a comment, a trailing comma or a missing quote)',
    });
  }
  const directory = dirname(file.path);
  const where = (key: KeyPath): string => at(offsetOf(document, key));
  if (problems.any) return { values: undefined, where, directory };
  return { values: valuesOf(document, where, problems), where, directory };
}

/**
 * Reads a file of JSON such as the one of `--filter`, kept as text.
 *
 * @returns undefined, with a problem added, where it can't be read or is not a JSON object
 */
export function readJsonFile(
  path: string,
  cwd: string,
  where: string,
  problems: Problems,
): JsonText | undefined {
  try {
    const text = readText(resolve(cwd, path), path)
      .replace(/^\uFEFF/, '')
      .trim();
    if (isJson(text) && text.startsWith('{')) return new JsonText(text);
    const found = isJson(text) ? 'holds JSON, but not a query' : 'is not JSON';
    problems.add({
      where,
      message: `${path} ${found}; give a query such as {"term":{"channel":"sms"}}`,
    });
  } catch (error) {
    problems.add({ where, message: error instanceof Error ? error.message : String(error) });
  }
  return undefined;
}

/** @throws MigrateError `usage`, naming the file as `name`, where it can't be read */
export function readText(path: string, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why = READ_ERRORS.get(code) ?? `can't be read (${code})`;
    throw usage(`${name} ${why}`, undefined, error);
  }
}

const READ_ERRORS = new Map([
  ['ENOENT', 'does not exist'],
  ['EACCES', 'may not be read by this user'],
  ['EISDIR', 'is a directory, not a file'],
  ['ERR_ENCODING_INVALID_ENCODED_DATA', 'is not UTF-8'],
]);

function valuesOf(
  document: Document,
  where: (key: KeyPath) => string,
  problems: Problems,
): unknown {
  const filter = document.getIn(['source', 'filter'], true);
  let filterText: JsonText | undefined;
  try {
    if (isNode(filter)) filterText = new JsonText(toJsonText(filter, document));
    // After the filter: an alias to itself would make the parser's own conversion endless.
    const values = (document.toJS({ maxAliasCount: 100 }) ?? {}) as {
      source?: { filter?: unknown };
    };
    if (filterText !== undefined && values.source) values.source.filter = filterText;
    return values;
  } catch (error) {
    const isFilter = filterText === undefined && isNode(filter) && error instanceof Error;
    const key = isFilter ? ['source', 'filter'] : [];
    // What is wrong with a filter is said by us, and without a word of it.
    const message = isFilter ? error.message : aliasProblem(error);
    problems.add({ where: where(key), key: key.join('.'), message });
    return undefined;
  }
}

/** Where the deepest key of `path` that the document has is written. */
function offsetOf(document: Document, path: KeyPath): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const key of path) {
    const map: unknown = isAlias(node) ? node.resolve(document) : node;
    if (!isMap(map)) break;
    const pair = map.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
    if (pair === undefined) break;
    offset = (pair.key as Node).range?.[0] ?? offset;
    node = pair.value;
  }
  return offset;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function shown(cwd: string, path: string): string {
  const short = relative(cwd, path);
  return short.startsWith('..') || short === '' ? path : short;
}
