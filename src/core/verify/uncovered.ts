import { uncoveredOfIndex, within } from '../tracking/gaps.js';
import { jobIntervals } from '../tracking/completed.js';
import type { VerifyContext } from './context.js';
import type { Uncovered } from './types.js';

/**
 * What lies between the jobs that are verified, and belongs to none: it was not compared, and a verdict that does not say so is
 * understood of the whole range. What is not settled yet is still to come.
 */
export async function countUncovered({
  run,
  on,
  scope,
  signal,
}: VerifyContext): Promise<Uncovered[]> {
  const { database, settings, source } = on;
  const jobs = await jobIntervals(database, scope);
  const [first] = jobs;
  if (!first) return [];
  const span = {
    from: first.from.getTime(),
    to: jobs.reduce((last, { to }) => Math.max(last, to.getTime()), -Infinity),
  };
  const until = run.clock.now() - settings.settleMs;
  const gaps = within(await uncoveredOfIndex(database, settings.source.index, until), span);
  const counted: Uncovered[] = [];
  for (const gap of gaps) counted.push({ ...gap, messages: await source.count(gap, signal) });
  return counted;
}
