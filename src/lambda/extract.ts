import { extractOptions } from '../commands/range-options.js';
import { extract as extractJobs } from '../core/extract/extract.js';
import type { ExtractOutcome } from '../core/extract/types.js';
import { Container } from './container.js';
import { rangeOf, type Context } from './event.js';

const container = new Container({ source: true, target: false }, 'send');

/** A page that is under way may take that long, in milliseconds. */
const END_MS = 30_000;

/**
 * Puts the ids of all messages into the tracking database, from where the last job ended, or of the range the event names, and
 * a message for each batch into the queue. Where its time is up it stops, and the next invocation goes on there; where
 * another one is at work, it leaves.
 */
export function extract(event: unknown, context: Context): Promise<ExtractOutcome> {
  if (!container.hasTime(context, END_MS)) return Promise.resolve({ kind: 'stopped', jobs: [] });
  return container.invoke(context, END_MS, async ({ run, on, log }) => {
    const options = extractOptions({ ...rangeOf(event), timezone: 'UTC', slices: 1 }, on.settings);
    const outcome = await extractJobs(run, on, options);
    log.write({ level: 'info', message: `extract: ${outcome.kind}`, outcome });
    return outcome;
  });
}
