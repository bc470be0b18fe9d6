import { readFile } from 'node:fs/promises';
import { runPool } from '../../core/pool.js';
import { expectedDocument, type Originals } from './originals.js';
import type { Stored } from './stored.js';

export interface Comparison {
  readonly compared: number;
  readonly equal: number;
  /** One line each: which message, and what is wrong. */
  readonly differences: readonly string[];
}

const AT_ONCE = 4;
/** Ids have up to 512 bytes. */
const SHOWN_OF_ID = 60;

/** Compares stored objects with the originals, byte for byte. */
export async function compare(
  ids: readonly string[],
  stored: Stored,
  originals: Originals,
  stop: AbortSignal,
): Promise<Comparison> {
  const left = ids.values();
  const differences: string[] = [];
  await runPool(
    AT_ONCE,
    () => Promise.resolve(left.next().value),
    async (id) => {
      stop.throwIfAborted();
      const difference = await differenceOf(id, stored, originals);
      if (difference !== undefined) differences.push(`${shown(id)}: ${difference}`);
    },
  );
  return { compared: ids.length, equal: ids.length - differences.length, differences };
}

async function differenceOf(
  id: string,
  stored: Stored,
  originals: Originals,
): Promise<string | undefined> {
  const file = await stored.fileOf(id);
  if (file === undefined) return 'MySQL has no completed row for it';
  const found = await readFile(file).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (found instanceof Error) return `its object can't be read (${found.code ?? found.message})`;
  const expected = await expectedDocument(originals, id);
  if (found.equals(expected)) return undefined;
  const at = expected.findIndex((byte, position) => byte !== found[position]);
  return `its object differs from byte ${at === -1 ? expected.length : at} on`;
}

/** As JSON, so that no id does anything to a terminal. */
function shown(id: string): string {
  return JSON.stringify(id.length > SHOWN_OF_ID ? `${id.slice(0, SHOWN_OF_ID)}…` : id);
}
