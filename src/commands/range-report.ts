import { describeNoMessages } from '../core/extract/survey.js';
import type { RangeOutcome } from '../core/migrate-range.js';
import type { RangeJobs } from '../core/range/jobs.js';
import type { SourceSettings } from '../core/settings.js';
import { done, EXIT, type Verdict } from './exit-codes.js';
import { counted } from '../core/words.js';

/** Which jobs `run` is about beside those it made, for people. */
export function rangeLines({ met }: RangeJobs): string[] {
  if (met.length === 0) return [];
  return [`messages of the range belong to ${jobsWords(met)}, too: processed and verified with it`];
}

/** A range without messages is hardly ever meant: a year was mistyped, or the filter. */
export function emptyVerdict(
  outcome: RangeOutcome,
  source: SourceSettings,
  allowEmpty = false,
): Verdict {
  const { noMessages } = outcome.kind === 'done' ? outcome : outcome.extract;
  if (!noMessages || allowEmpty) return done;
  const next = `${describeNoMessages(noMessages, source)}; correct --from and --to, or give --allow-empty where that is right`;
  return { code: EXIT.leftOver, next };
}

/** Messages of the range that this configuration cannot process. */
export function elsewhereVerdict({ elsewhere }: RangeJobs): Verdict {
  if (!elsewhere) return done;
  const { jobs, messages } = elsewhere;
  const what = messages === undefined ? 'messages' : counted(messages, 'message');
  return {
    code: EXIT.leftOver,
    next: `${what} of the range belong to ${jobsWords(jobs)} over another index, and ${elsewhere.open > 0 ? 'are not all completed' : 'were not verified'}: process and verify them with the configuration they were extracted with`,
  };
}

function jobsWords(jobs: readonly number[]): string {
  return `${jobs.length === 1 ? 'job' : 'jobs'} ${jobs.join(', ')}`;
}
