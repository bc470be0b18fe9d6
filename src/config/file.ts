import { existsSync, type Stats } from 'node:fs';
import { dirname, resolve, relative } from 'node:path';
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  Lexer,
  LineCounter,
  parseDocument,
  Parser,
  visit,
  type Document,
  type Node,
} from 'yaml';
import { usage } from '../core/errors.js';
import { MOST_LEVELS, repeatedKey } from './json-keys.js';
import { readText } from './read-text.js';
import { JsonText, MOST_ALIASES, toJsonText } from './json-text.js';
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
 * @param check see readText
 * @throws MigrateError `usage` where the file can't be read; what `check` throws
 */
export function readConfigFile(
  file: ConfigFile,
  problems: Problems,
  check?: (file: Stats) => void,
): RawLayer {
  const directory = dirname(file.path);
  const text = readText(file.path, file.name, check);
  // Before it is parsed: the parser calls itself for each level, and has the whole process end where the stack does.
  if (isTooDeep(text)) {
    problems.add({
      where: file.name,
      message: `is nested too deeply (more than ${MOST_LEVELS} levels)`,
    });
    return { values: undefined, where: () => file.name, directory };
  }
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
  // Its warnings are about tags that it does not know: they would be passed over, and the value taken for text.
  for (const problem of [...document.errors, ...document.warnings])
    problems.add({ where: at(problem.pos[0]), message: yamlProblem(problem) });
  if (document.directives.yaml.version === '1.1') {
    problems.add({ where: file.name, message: 'is YAML 1.1; write it in YAML 1.2, without %YAML' });
  }
  if (document.errors.length === 0 && file.path.endsWith('.json') && !isJson(text)) {
    problems.add({
      where: file.name,
      message: 'is not JSON (perhaps a comment, a trailing comma or a missing quote)',
    });
  }
  const where = (key: KeyPath): string => at(offsetOf(document, key));
  if (problems.any) return { values: undefined, where, directory };
  return { values: valuesOf(document, where, problems), where, directory };
}

/** Builds no tree: the tokens are enough, and what is open is on the parser's own stack. */
function isTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const token of new Lexer().lex(text)) {
    Array.from(parser.next(token));
    if (parser.stack.length > MOST_LEVELS) return true;
  }
  return false;
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
    const wrong = wrongWithQuery(text);
    if (wrong === undefined) return new JsonText(text);
    problems.add({
      where,
      message: `${path} ${wrong}; give a query such as {"term":{"channel":"sms"}}`,
    });
  } catch (error) {
    problems.add({ where, message: error instanceof Error ? error.message : String(error) });
  }
  return undefined;
}

function wrongWithQuery(text: string): string | undefined {
  if (!isJson(text)) return 'is not JSON';
  if (!text.startsWith('{')) return 'holds JSON, but not a query';
  const repeated = repeatedKey(text);
  if (repeated === 'too-deep') return 'is nested too deeply';
  return repeated && `has the key ${JSON.stringify(repeated.key)} twice`;
}

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
    const values = (document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {}) as {
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
