import type { Connections } from '../connect.js';
import { unlessStopped, type Run } from '../run.js';
import type { ExtractOptions, ExtractOutcome, NoMessages } from './types.js';

/** Documents that lie in no range, counted and told; undefined where the run is to stop. */
export async function surveyUndated(run: Run, on: Connections): Promise<number | undefined> {
  let undated: number | undefined;
  await unlessStopped(run, async () => {
    undated = await on.source.countUndated(run.stop);
  });
  if (undated) {
    const { index, dateField } = on.settings.source;
    const documents = undated === 1 ? '1 document of' : `${undated} documents of`;
    const message = `${documents} ${index} have no usable date in ${dateField}: no range includes them, they are not migrated`;
    run.report({ type: 'log', level: 'warn', message });
  }
  return undated;
}

/** Where the range that was asked for has no messages: between which instants there are some. */
export async function surveyEmpty(
  run: Run,
  on: Connections,
  options: ExtractOptions,
  outcome: ExtractOutcome,
): Promise<NoMessages | undefined> {
  if (!isEmpty(outcome, options)) return undefined;
  let found: NoMessages | undefined;
  await unlessStopped(run, async () => {
    found = await noMessages(run, on);
  });
  if (found) {
    const message = describeNoMessages(found, on.settings.source);
    run.report({ type: 'log', level: 'warn', message });
  }
  return found;
}

export async function noMessages(run: Run, { source }: Connections): Promise<NoMessages> {
  return { dates: await source.dateSpan(run.stop) };
}

/** `no message lies in the range: the values of timestamp in messages lie between … and …`. */
export function describeNoMessages(
  { dates }: NoMessages,
  { index, dateField, filter }: Connections['settings']['source'],
): string {
  const which = filter === undefined ? index : `${index} that match the filter`;
  if (!dates) return `no message lies in the range: no document of ${which} has a ${dateField}`;
  const between = `between ${isoOf(dates.first)} and ${isoOf(dates.last)}`;
  return `no message lies in the range: the values of ${dateField} in ${which} lie ${between}`;
}

const isoOf = (ms: number): string => new Date(ms).toISOString();

function isEmpty(outcome: ExtractOutcome, { from }: ExtractOptions): boolean {
  switch (outcome.kind) {
    case 'done':
      return outcome.jobs.every(({ status, expected }) => status === 'completed' && expected === 0);
    case 'dry-run':
      return outcome.expected === 0;
    case 'nothing-new':
      // Without --from this is what a run finds that comes soon after the last one.
      return from !== undefined;
    case 'busy':
    case 'stopped':
      return false;
  }
}
