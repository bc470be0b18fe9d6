import type { YAMLError } from 'yaml';

/**
 * What is wrong with a YAML file, in words of ours: the parser's own quote what it stumbled over, which may be a password that was not
 * put in quotes.
 */
const SAID: Readonly<Record<YAMLError['code'], string>> = {
  ALIAS_PROPS: 'an alias (*) has a tag or an anchor',
  BAD_ALIAS: 'an alias (*) or anchor (&) without a name, or with one that ends in a colon',
  BAD_COLLECTION_TYPE: 'a tag (!) does not fit what it stands before',
  BAD_DIRECTIVE: 'a line that begins with % is no directive of YAML',
  BAD_DQ_ESCAPE: 'a backslash in double quotes begins no escape of YAML',
  BAD_INDENT: 'the indentation does not fit',
  BAD_PROP_ORDER: 'a tag (!) or anchor (&) stands in the wrong place',
  BAD_SCALAR_START: 'a value begins with a character that YAML reserves, such as @ or `',
  BLOCK_AS_IMPLICIT_KEY:
    'a value has a colon and a space in it, or a section begins on the line of a key',
  BLOCK_IN_FLOW: 'a block stands within { } or [ ]',
  DUPLICATE_KEY: 'a key stands here for the second time (keys must be unique)',
  IMPOSSIBLE: 'this cannot be parsed',
  KEY_OVER_1024_CHARS: 'a key is longer than 1,024 characters',
  MISSING_CHAR: 'a character is missing: a closing quote or bracket, a comma, a colon, or a space',
  MULTILINE_IMPLICIT_KEY: 'a key goes over several lines, or has no colon behind it',
  MULTIPLE_ANCHORS: 'a value has several anchors (&)',
  MULTIPLE_DOCS: 'the file has several documents (---)',
  MULTIPLE_TAGS: 'a value has several tags (!)',
  NON_STRING_KEY: 'a key is not text',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
  TAB_AS_INDENT: 'it is indented with a tab; use spaces',
  TAG_RESOLVE_FAILED: 'a tag (!) is not known',
  UNEXPECTED_TOKEN: 'something stands where YAML expects nothing or something else',
};

const QUOTES = '; put values with special characters in single quotes';

/** What an error of the parser means, without a word of the file. */
export function yamlProblem({ code }: Pick<YAMLError, 'code'>): string {
  return `is not valid YAML: ${(SAID as Readonly<Record<string, string>>)[code] ?? SAID.IMPOSSIBLE}${QUOTES}`;
}

/** Why a file that was parsed has no values: aliases are resolved only then. */
export function aliasProblem(error: unknown): string {
  const said = error instanceof Error ? error.message : '';
  if (said.startsWith('Unresolved alias')) return `an alias (*) names no anchor${QUOTES}`;
  if (said.startsWith('Excessive alias count'))
    return 'its aliases (*) would become too many values';
  return `its values cannot be read${QUOTES}`;
}
