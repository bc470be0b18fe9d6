import { FINDING_KINDS, type Finding, type FindingKind } from '../core/verify/types.js';
import type { VerifyOptions, VerifyOutcome } from '../core/verify/types.js';
import type { VerifiedJob } from '../core/verify/scope.js';
import type { VerifiedRelated } from '../core/verify/related-outcome.js';
import { relatedLines } from './related-report.js';
import { acceptedOf, counted, grouped } from '../core/words.js';
import { printable, shownId } from './terminal/printable.js';
import { table } from './terminal/table.js';

/** Examples shown of each kind of difference. */
const EXAMPLES = 3;

/** `foreign` is counted in `orphaned`, too: both are objects no row points at. */
export function verifyJson(outcome: VerifyOutcome): object {
  const { level, checked, found, ok, pending, failed, openWindows, counts, repaired } = outcome;
  const { changedMeanwhile, accepted, acceptedWindows, undated, uncovered, related } = outcome;
  const { missing, mismatched, orphaned, foreign, ...others } = found;
  return {
    level,
    checked,
    missing,
    mismatched,
    orphaned: orphaned + foreign,
    ok,
    foreign,
    ...others,
    pending,
    failed,
    accepted,
    openWindows,
    acceptedWindows,
    undated: undated ?? null,
    uncovered: uncovered.map(({ from, to, messages }) => ({
      from: isoOf(from),
      to: isoOf(to),
      messages,
    })),
    changedMeanwhile,
    counts,
    related,
    repaired: repaired ?? null,
  };
}

/** The same for people: the range, four counts side by side, what was checked, what differs, and the verdict as last line. */
export function verifyLines(
  outcome: VerifyOutcome,
  options: VerifyOptions,
  jobs: readonly VerifiedJob[],
): string[] {
  if (outcome.ended === 'busy') return [];
  const { sourceNow, sourceThen, tracked, completed, stored } = outcome.counts;
  const figures = [sourceNow, sourceThen, tracked, completed, stored].map(grouped);
  return [
    `${counted(jobs.length, 'job')}, ${spanOf(jobs)}`,
    ...gapLines(outcome),
    ...table([
      ['', 'Elasticsearch now', 'when it was read', 'in MySQL', 'completed', 'in the target'],
      ['messages', ...figures],
    ]),
    ...relatedLines(outcome.related),
    ...Object.entries(outcome.related).flatMap((one) => sourceLine(one, outcome)),
    ...Object.entries(outcome.related).flatMap(withoutKeyLine),
    `checked: ${checkedWords(outcome, options)}`,
    ...FINDING_KINDS.flatMap((kind) => kindLines(kind, outcome)),
    ...leftLines(outcome),
    ...repairedLines(outcome),
    lastLine(outcome, options),
  ];
}

/** What the related index has besides the records of migrated messages. */
function sourceLine([name, one]: [string, VerifiedRelated], { found }: VerifyOutcome): string[] {
  const { records, atSource, ofNoMessage } = one;
  if (records > atSource) {
    const deleted = found.changed > 0 ? ', or were deleted since' : '';
    return [
      printable(
        `${name}: documents hold ${counted(records, 'record')}, the index ${grouped(atSource)}: records belong to several messages${deleted}`,
      ),
    ];
  }
  if (ofNoMessage === null || ofNoMessage === 0) return [];
  return [
    printable(
      `${name}: ${grouped(ofNoMessage)} of ${counted(atSource, 'record')} in Elasticsearch belong to messages that no job is about, or to none`,
    ),
  ];
}

/** Records that no search by the join can find. */
function withoutKeyLine([name, { atSource, withoutKey }]: [string, VerifiedRelated]): string[] {
  if (withoutKey === 0) return [];
  return [
    printable(
      `${name}: ${grouped(withoutKey)} of ${counted(atSource, 'record')} in Elasticsearch have no value of the join's key in the index: they belong to no message; if the field was mapped after they were written, run _update_by_query on the index`,
    ),
  ];
}

function spanOf(jobs: readonly VerifiedJob[]): string {
  const from = Math.min(...jobs.map((job) => job.from.getTime()));
  const to = Math.max(...jobs.map((job) => job.to.getTime()));
  if (jobs.length === 0) return 'nothing was extracted';
  return `${new Date(from).toISOString()} (inclusive) to ${new Date(to).toISOString()} (exclusive)`;
}

/** Times within the span that no job is about. */
function gapLines({ uncovered }: VerifyOutcome): string[] {
  return uncovered.map(({ from, to, messages }) => {
    const [first, last] = [isoOf(from), isoOf(to)];
    const reads =
      messages > 0 ? `; "es-migrate extract --from ${first} --to ${last}" reads it` : '';
    return `not covered by any job: ${first} to ${last}, with ${counted(messages, 'message')}${reads}`;
  });
}

const isoOf = (ms: number): string => new Date(ms).toISOString();

function checkedWords({ checked }: VerifyOutcome, { level, sample }: VerifyOptions): string {
  const messages = counted(checked, 'message');
  switch (level) {
    case 'counts':
      return 'how many messages there are, in every window, in MySQL and in the target';
    case 'objects':
      return `the objects of ${messages}, as the target lists them: length and version as recorded; and for each object its row`;
    case 'content': {
      const of = sample < 1 ? ` (a sample of ${grouped(sample * 100)} % of the batches)` : '';
      return `${messages}${of} read again from Elasticsearch and from the target, byte for byte`;
    }
  }
}

const WORDS: Readonly<Record<FindingKind, string>> = {
  missing: 'completed, but not in the target',
  mismatched: 'not what was recorded, or not what Elasticsearch held',
  unreadable: 'could not be read',
  inconsistent: 'rows or counters in MySQL that contradict each other',
  orphaned: 'objects of ours that no row points at: late uploads of attempts that lost',
  foreign: 'objects that no row is about; es-migrate never deletes them',
  unfinished: 'uploads that were begun and never completed',
  changed: 'changed in Elasticsearch since; stored is what it held when it was read',
  deleted: 'deleted in Elasticsearch since; stored is what it held when it was read',
  arrived: 'in Elasticsearch now, and read by no job or accepted as missing',
  gone: 'not in the range any more; stored is what it held when it was read',
  outdated_join: 'their related records were found by other joins than those configured now',
};

function kindLines(kind: FindingKind, { found, examples }: VerifyOutcome): string[] {
  if (found[kind] === 0) return [];
  const shown = examples.filter((finding) => finding.kind === kind).slice(0, EXAMPLES);
  return [`${kind}: ${grouped(found[kind])} ${WORDS[kind]}`, ...shown.map(exampleLine)];
}

function exampleLine({ jobId, message, batchId, key, detail }: Finding): string {
  const where = [
    ...(jobId !== undefined && batchId === undefined ? [`job ${jobId}`] : []),
    ...(message ? [shownId(message.id.toString('utf8'))] : []),
    ...(batchId === undefined ? [] : [`batch ${batchId}`]),
    ...(key === undefined ? [] : [key]),
  ];
  return printable(`  ${where.join(', ')}: ${detail}`);
}

function leftLines(outcome: VerifyOutcome): string[] {
  const { level, pending, failed, accepted, openWindows, acceptedWindows } = outcome;
  return [
    ...(pending > 0
      ? [
          `pending: ${grouped(pending)} not migrated yet${level === 'content' ? '; their batches were not read' : ''}`,
        ]
      : []),
    ...(failed > 0
      ? [`failed: ${grouped(failed)}${acceptedOf(accepted)}; "es-migrate errors" says why`]
      : []),
    ...(acceptedWindows > 0
      ? [`${counted(acceptedWindows, 'window')} could not be read whole, and accepted as that`]
      : []),
    ...(openWindows > 0 ? [`${counted(openWindows, 'window')} not read to the end yet`] : []),
  ];
}

function repairedLines({ repaired }: VerifyOutcome): string[] {
  if (!repaired) return [];
  const { messages, objects, uploads } = repaired;
  return [
    `repaired: ${counted(messages, 'message')} pending again, ${counted(objects, 'object')} and ${counted(uploads, 'upload')} removed`,
  ];
}

function lastLine(outcome: VerifyOutcome, options: VerifyOptions): string {
  const settled = acceptedWords(outcome);
  const besides = `${uncoveredWords(outcome)}${undatedWords(outcome)}`;
  if (outcome.ok && outcome.counts.tracked === 0)
    return `There was nothing to prove: 0 messages${besides}`;
  if (outcome.ok) return `Nothing is missing${settled}: ${provenWords(outcome, options)}${besides}`;
  const wrong = FINDING_KINDS.filter((kind) => outcome.found[kind] > 0).map(
    (kind) => `${grouped(outcome.found[kind])} ${kind}`,
  );
  const { pending, failed, accepted, openWindows } = outcome;
  if (pending > 0) wrong.push(`${grouped(pending)} pending`);
  if (failed > accepted) wrong.push(`${grouped(failed - accepted)} failed`);
  if (openWindows > 0) wrong.push(`${counted(openWindows, 'window')} not read`);
  if (outcome.changedMeanwhile)
    wrong.push('messages were migrated while it ran; run "es-migrate verify" again');
  if (outcome.ended === 'stopped') wrong.push('it was stopped before the end');
  return `NOT proven: ${wrong.join(', ')}${settled}${besides}`;
}

/** What somebody has settled belongs to the verdict, whatever that is. */
function acceptedWords({ accepted, acceptedWindows }: VerifyOutcome): string {
  const words = [
    ...(accepted > 0 ? [`${grouped(accepted)} failed and accepted`] : []),
    ...(acceptedWindows > 0
      ? [`${counted(acceptedWindows, 'window')} not read whole and accepted`]
      : []),
  ];
  return words.length === 0 ? '' : ` (besides ${words.join(', ')})`;
}

/** What was not compared since no job is about it; without this the verdict would be read of the whole span. */
function uncoveredWords({ uncovered }: VerifyOutcome): string {
  const some = uncovered.filter(({ messages }) => messages > 0);
  const [first, last] = [some[0], some.at(-1)];
  if (!first || !last) return '';
  const messages = some.reduce((sum, gap) => sum + gap.messages, 0);
  const belong = messages === 1 ? 'belongs to no job and was' : 'belong to no job and were';
  return `; ${counted(messages, 'message')} between ${isoOf(first.from)} and ${isoOf(last.to)} ${belong} not compared`;
}

function undatedWords({ undated = 0 }: VerifyOutcome): string {
  if (undated === 0) return '';
  const have = undated === 1 ? 'has no usable date and lies' : 'have no usable date and lie';
  return `; ${counted(undated, 'document')} ${have} in no range`;
}

function provenWords(
  { counts, checked, repaired }: VerifyOutcome,
  { level, sample }: VerifyOptions,
): string {
  if (repaired) return `what --level ${level} compares is repaired`;
  const all = counted(counts.completed, 'message');
  switch (level) {
    case 'counts':
      return `Elasticsearch, MySQL and the target have the same ${all}`;
    case 'objects':
      return `each of ${all} has its object, as the target lists it, and nothing else lies there`;
    case 'content':
      return sample < 1
        ? `each of ${all} has its object, and ${grouped(checked)} of them were compared: byte for byte what Elasticsearch holds`
        : `each of ${all} is, byte for byte, what Elasticsearch holds`;
  }
}
