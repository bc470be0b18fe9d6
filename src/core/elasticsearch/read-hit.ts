import { Hit } from './hit.js';
import { MINUS, OPEN_BRACKET, isDigit } from './json-bytes.js';
import { hasBackslash, textOfString } from './json-strings.js';
import { MalformedJson } from './json-walk.js';
import type { JsonScanner } from './scan.js';

/**
 * Reads the hit that the scanner stands at: where its parts begin and end.
 *
 * @throws MalformedJson where it lacks `_id` or `_index`, has a part twice, or one of another kind than it should be: of two
 *   ids or sources none can be trusted
 */
export function readHit(scanner: JsonScanner): Hit {
  const hit = new Hit(scanner.bytes);
  let seen = 0;
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    const key = scanner.key();
    const part = readPart(scanner, hit, key);
    if ((seen & part) !== 0) throw twice(key);
    seen |= part;
  }
  if (hit.idEnd === 0 || hit.index === '')
    throw new MalformedJson('has a hit without _id or _index');
  return hit;
}

/** Throws where a member that is read was there before. */
export function requireOnce(seen: Set<string>, key: string): void {
  if (seen.has(key)) throw twice(key);
  seen.add(key);
}

function twice(key: string): MalformedJson {
  return new MalformedJson(`has ${key} twice in one object`);
}

/** Reads a member's value into the hit; a bit of its own for each that is read, 0 for others. There are millions of hits. */
function readPart(scanner: JsonScanner, hit: Hit, key: string): number {
  const start = scanner.position;
  switch (key) {
    case '_source':
      scanner.skipDocument();
      hit.sourceStart = scanner.documentStart;
      hit.sourceEnd = scanner.documentEnd;
      return 1;
    case '_id':
      scanner.skipString();
      requireCharacters(scanner.bytes, start, scanner.position);
      hit.idStart = start;
      hit.idEnd = scanner.position;
      return 2;
    case '_index':
      hit.index = scanner.recurring();
      requireCharacters(scanner.bytes, start, scanner.position);
      hit.indexStart = start;
      hit.indexEnd = scanner.position;
      return 4;
    case '_seq_no':
      skipNumber(scanner, key);
      hit.seqNoStart = start;
      hit.seqNoEnd = scanner.position;
      return 8;
    case '_primary_term':
      skipNumber(scanner, key);
      hit.primaryTermStart = start;
      hit.primaryTermEnd = scanner.position;
      return 16;
    case 'sort':
      if (scanner.bytes[start] !== OPEN_BRACKET)
        throw new MalformedJson('has a sort that is no list');
      scanner.skip();
      hit.sortStart = start;
      hit.sortEnd = scanner.position;
      return 32;
    case 'fields':
      readFields(scanner, hit);
      return 64;
    case '_ignored':
      hit.ignored = namesOf(scanner.value());
      return 128;
    default:
      scanner.skip();
      return 0;
  }
}

/** An id or a name is known by its UTF-8 bytes, which half a surrogate pair has none of. */
function requireCharacters(json: Buffer, start: number, end: number): void {
  if (!hasBackslash(json, start, end)) return;
  const text = textOfString(json, start, end);
  if (Buffer.from(text).toString('utf8') !== text)
    throw new MalformedJson('has an _id or _index with half a character');
}

function skipNumber(scanner: JsonScanner, key: string): void {
  const first = scanner.bytes[scanner.position];
  scanner.skip();
  const isNumber = first === MINUS || isDigit(first);
  if (!isNumber) throw new MalformedJson(`has a ${key} that is no number`);
}

function namesOf(value: unknown): readonly string[] {
  const isNames = Array.isArray(value) && value.every((one) => typeof one === 'string');
  if (!isNames) throw new MalformedJson('has _ignored that is no list of names');
  return value;
}

/** Doc values: those of the first field in place, since nearly every search asks for one field alone. */
function readFields(scanner: JsonScanner, hit: Hit): void {
  const seen = new Set<string>();
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    const field = scanner.key();
    requireOnce(seen, field);
    if (hit.valueEnd > 0) {
      const values = scanner.value();
      if (!Array.isArray(values)) throw new MalformedJson('has a field that is no list of values');
      hit.otherFields = [...hit.otherFields, { field, values: values.map(String) }];
      continue;
    }
    hit.field = field;
    const others: unknown[] = [];
    for (let another = scanner.beginArray(); another; another = scanner.anotherElement()) {
      if (hit.valueEnd > 0) {
        others.push(scanner.value());
        continue;
      }
      hit.valueStart = scanner.position;
      scanner.skip();
      hit.valueEnd = scanner.position;
    }
    if (others.length > 0) hit.otherValues = others;
  }
}
