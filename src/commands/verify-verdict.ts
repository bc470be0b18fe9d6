import { countFindings } from '../core/verify/findings.js';
import type { Finding, VerifyOptions, VerifyOutcome } from '../core/verify/types.js';
import type { VerifiedJob } from '../core/verify/scope.js';
import { ABOUT_FAILED, done, EXIT, type Verdict } from './exit-codes.js';
import { counted } from '../core/words.js';

/** How a verification ends the command, and what to do next. */
export function verifyVerdict(
  outcome: VerifyOutcome,
  options: VerifyOptions,
  jobs: readonly VerifiedJob[],
  stopCode: number,
): Verdict {
  switch (outcome.ended) {
    case 'busy':
      return {
        code: EXIT.busy,
        next: 'the same verification is running elsewhere; run it again when that one has ended',
      };
    case 'stopped':
      return {
        code: stopCode,
        next: 'what was verified is kept; the same command goes on from there (--restart begins anew)',
      };
    case 'done':
      if (outcome.ok) return done;
      return { code: EXIT.leftOver, next: nextSteps(outcome, options, jobs).join('; ') };
  }
}

function nextSteps(
  outcome: VerifyOutcome,
  { level }: VerifyOptions,
  jobs: readonly VerifiedJob[],
): string[] {
  const { found, pending, failed, accepted, openWindows, repaired, changedMeanwhile } = outcome;
  const ours =
    found.missing + found.mismatched + found.inconsistent + found.orphaned + found.unfinished;
  // `left` counts what is not ours to repair, too.
  const oursLeft = repaired ? ours - (countFindings(found) - repaired.left) : 0;
  const steps: string[] = [];
  if (openWindows > 0) steps.push('"es-migrate extract" reads what was not read to the end');
  if (ours > 0 && repaired === undefined) {
    steps.push(
      level === 'counts'
        ? '"es-migrate verify --level objects" names what differs'
        : `"es-migrate verify ${level === 'content' ? '--level content ' : ''}--repair" puts back what is missing or damaged and removes our orphans, then "es-migrate process"`,
    );
  } else if (oursLeft > 0) {
    steps.push(`${counted(oursLeft, 'difference')} could not be repaired, run it again`);
  }
  if (repaired && found.inconsistent > 0 && oursLeft === 0)
    steps.push('contradictions were put right; "es-migrate verify" looks at what they hid');
  if (pending > 0)
    steps.push('"es-migrate process" migrates what is pending, "es-migrate verify" looks again');
  if (failed > accepted) steps.push(ABOUT_FAILED);
  if (outcome.examples.some(isBack))
    steps.push(
      'accepted messages are at the source again; "es-migrate retry --error missing" puts them back, then "es-migrate process"',
    );
  if (changedMeanwhile)
    steps.push(
      'messages were migrated while it ran; "es-migrate verify" proves it once that is over',
    );
  if (found.outdated_join > 0)
    steps.push(
      '"es-migrate retry --other-joins" puts back what was made with other joins, "es-migrate process" makes it again',
    );
  steps.push(...extractAgain(outcome, jobs));
  if (found.unreadable > 0) steps.push('what could not be read is named above; run it again');
  if (found.foreign > 0)
    steps.push(
      'foreign objects belong elsewhere, or es-migrate to a prefix of its own (where rows were lost, extract their range again first)',
    );
  if (steps.length === 0)
    steps.push('the source has changed since; what was stored is what it held then');
  if (found.deleted > 0)
    steps.push(
      'as many messages as were deleted may have arrived unseen; "es-migrate extract" of the same range adds them',
    );
  return steps;
}

/** A message that was accepted as missing and has arrived again: it is tracked, so reading its range again adds nothing. */
function isBack({ kind, message }: Finding): boolean {
  return kind === 'arrived' && message !== undefined;
}

/** The commands that read again the ranges in which something arrived, or of which rows are gone. */
function extractAgain({ examples }: VerifyOutcome, jobs: readonly VerifiedJob[]): string[] {
  const short = examples.filter(
    (finding) =>
      (finding.kind === 'arrived' && !isBack(finding)) ||
      (finding.kind === 'inconsistent' && finding.batchId === undefined),
  );
  const jobIds = new Set(short.map(({ jobId }) => jobId));
  return jobs
    .filter(({ jobId }) => jobIds.has(jobId))
    .map(
      ({ from, to }) =>
        `"es-migrate extract --from ${from.toISOString()} --to ${to.toISOString()}" adds what is not tracked, then "es-migrate process"`,
    );
}
