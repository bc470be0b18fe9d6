import { createRequire } from 'node:module';
import type { MultiBar, SingleBar } from 'cli-progress';
import type { ImposedLimit, ProgressEvent } from '../../core/run.js';
import type { Log } from './log.js';
import { shownLine } from './printable.js';
import { counted, grouped, percent, spoken } from '../../core/words.js';

/** Shows where the stages stand. */
export interface Progress {
  show(event: ProgressEvent): void;
  /** From now on Elasticsearch is asked for less; undefined: no longer. */
  limit(limit: ImposedLimit | undefined): void;
  /** Writes a finished line without tearing what is shown. */
  write(line: string): void;
  close(): void;
}

type Out = (text: string) => void;

export interface Stage {
  event: ProgressEvent;
  readonly startedAt: number;
  /** What had been done when it was first heard of: no part of the rate. */
  readonly doneAtStart: number;
}

const LINE_EVERY_MS = 10_000;
/** Loads cli-progress where bars are drawn, and nowhere else. */
const require = createRequire(import.meta.url);

/** Shows nothing. */
export function noProgress(out: Out): Progress {
  return {
    show: () => undefined,
    limit: () => undefined,
    write: out,
    close: () => undefined,
  };
}

/** One line every 10 s, and one at the end; for logs, pipes and CI. */
export function progressLines(out: Out, log: Log): Progress {
  const stages = new Stages();
  let shown: readonly unknown[] = [];
  const line = (): void => {
    const stage = stages.latest();
    if (stage === undefined) return;
    const state = [stage.event, stages.limit?.share];
    if (state.every((one, i) => one === shown[i])) return;
    const fields = { ...stage.event, ...(stages.limit && { limit: stages.limit.share }) };
    const message = `${stage.event.stage}: ${figures(stage, stages.limit)}`;
    log({ level: 'info', message, fields });
    shown = state;
  };
  const timer = setInterval(line, LINE_EVERY_MS).unref();
  return {
    show: (event) => {
      // A stage's last line is its result; the next one's lines must not swallow it.
      if (stages.latest()?.event.stage !== event.stage) line();
      stages.update(event);
    },
    limit: (limit) => (stages.limit = limit),
    write: out,
    close: () => {
      clearInterval(timer);
      line();
    },
  };
}

/** Bars on a terminal. */
export function progressBars(stream: NodeJS.WriteStream, out: Out): Progress {
  const stages = new Stages();
  const bars = new Map<string, SingleBar>();
  let multi: MultiBar | undefined;
  const close = (): void => {
    // The bars would keep lines that were logged since they were last drawn.
    multi?.update();
    multi?.stop();
    multi = undefined;
    process.off('exit', close);
  };
  const open = (): MultiBar => {
    const cliProgress = require('cli-progress') as typeof import('cli-progress');
    // A second signal ends the process at once; the cursor must not stay hidden.
    process.on('exit', close);
    // Signals are ours: the bars' own handler would end them while work in flight is still being finished.
    const options = { stream, format: FORMAT, barsize: 24, hideCursor: true, gracefulExit: false };
    return new cliProgress.MultiBar(options, cliProgress.Presets.shades_classic);
  };
  const draw = (stage: Stage): void => {
    const { event } = stage;
    const text = shownLine(figures(stage, stages.limit));
    const payload = { stage: shownLine(event.stage.padEnd(8)), text };
    multi ??= open();
    const bar = bars.get(event.stage) ?? multi.create(event.total, 0, payload);
    bars.set(event.stage, bar);
    bar.setTotal(event.total);
    bar.update(event.done, payload);
  };
  return {
    show: (event) => draw(stages.update(event)),
    limit: (limit) => {
      stages.limit = limit;
      const stage = stages.latest();
      if (stage) draw(stage);
    },
    write: (line) => {
      if (multi === undefined) out(line);
      else multi.log(line);
    },
    close,
  };
}

const FORMAT = '{stage} {bar} {percentage} %  {text}';

/** What is known of each stage. */
export class Stages {
  limit: ImposedLimit | undefined;
  readonly #stages = new Map<string, Stage>();

  update(event: ProgressEvent): Stage {
    const known = this.#stages.get(event.stage);
    const stage = known ?? { event, startedAt: Date.now(), doneAtStart: event.done };
    stage.event = event;
    this.#stages.set(event.stage, stage);
    return stage;
  }

  /** The stage that was begun last, if any was. */
  latest(): Stage | undefined {
    return [...this.#stages.values()].at(-1);
  }
}

/** Where a stage stands, its rate and the time left, in words. */
export function figures(stage: Stage, limit: ImposedLimit | undefined): string {
  const { done, total, failed, uploads = 0 } = stage.event;
  const rate = rateOf(stage);
  const left = rate > 0 && total > done ? `, about ${spoken((total - done) / rate)} left` : '';
  // What a verification finds is told by kind, when it has ended.
  const failures = stage.event.stage === 'verify' ? '' : `, ${grouped(failed)} failed`;
  const inFlight = uploads > 0 ? `, ${counted(uploads, 'upload')} in flight` : '';
  const slowed = limit ? `, slowed to ${percent(limit.share)} (${limit.reason})` : '';
  return `${grouped(done)} of ${grouped(total)}, ${grouped(rate)}/s${failures}${inFlight}${left}${slowed}`;
}

/** Messages a second since the stage was first heard of. */
function rateOf({ event, startedAt, doneAtStart }: Stage): number {
  const seconds = (Date.now() - startedAt) / 1000;
  return seconds < 0.1 ? 0 : (event.done - doneAtStart) / seconds;
}
