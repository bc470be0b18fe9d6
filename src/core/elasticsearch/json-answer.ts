import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { Fault } from '../fault.js';

/**
 * An answer of 200 that Elasticsearch would not give. It may be cut off or spoilt underway, so it is asked for again.
 *
 * @param what its predicate, such as `ends after 3 bytes`
 */
export function malformed(what: string): Fault {
  const message = `Elasticsearch: the answer ${what}`;
  return new Fault('Elasticsearch', 'retriable', 'malformed_answer', message);
}

/**
 * An answer without documents, parsed.
 *
 * @param schema of what is read of it; more may be there
 * @throws Fault `retriable` where it is no JSON in UTF-8, or not what the schema says
 */
export function parsedAnswer<T>(body: Buffer, schema: z.ZodType<T>): T {
  if (!isUtf8(body)) throw malformed('is not UTF-8');
  let answer: unknown;
  try {
    answer = JSON.parse(body.toString('utf8'));
  } catch {
    throw malformed('is no JSON, or breaks off');
  }
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.slice(0, 5).map(String).join('.') ?? '';
  throw malformed(`is not what Elasticsearch writes${where === '' ? '' : ` (${where})`}`);
}

/** An object by names that others chose. */
export const byName = <T extends z.ZodType>(value: T) => z.record(z.string(), value);
