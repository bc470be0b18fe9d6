import type { RelatedSums } from '../core/status/types.js';
import { counted, grouped } from '../core/words.js';
import { printable } from './terminal/printable.js';

/** A line for each array of the documents: how many records are in it, and how many messages have none. */
export function relatedLines(related: RelatedSums): string[] {
  return Object.entries(related)
    .filter(([, { messages, unknown }]) => messages + unknown > 0)
    .map(([name, { messages, records, withoutRecords, withoutValue, unknown }]) => {
      const lacking =
        withoutValue > 0 ? ` (${grouped(withoutValue)} lack a field of the join)` : '';
      const none =
        withoutRecords > 0 ? `; ${counted(withoutRecords, 'message')} without any${lacking}` : '';
      const rest = unknown > 0 ? `; not counted in ${counted(unknown, 'message')}` : '';
      const found = `${counted(records, 'record')} in ${counted(messages, 'message')}${none}`;
      return printable(`${name}: ${messages > 0 ? found : 'no records counted'}${rest}`);
    });
}
