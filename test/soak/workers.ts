import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBinary, type Preload, type Running } from '../support/binary.js';
import type { Project } from '../support/project.js';

/** A command that is started again whenever it ends, until it is done. */
export class Worker {
  readonly #project: Project;
  readonly #args: readonly string[];
  readonly #preload: readonly Preload[];
  readonly #stepFile: string;
  #running: Running | undefined;
  #stepAtEnd = STARTING;
  #stopped = false;
  /** Ends when the command is not started again. */
  readonly ended: Promise<void>;
  starts = 0;
  /** How often it ended with which code, SIGKILL left out. */
  readonly codes = new Map<number, number>();
  /** What it said when it ended with a code that nobody expects. */
  readonly complaints: string[] = [];

  /** `isDone`: whether an end with this code was the last. */
  constructor(
    project: Project,
    name: string,
    { args, preload = [] }: { args: readonly string[]; preload?: readonly Preload[] },
    isDone: (code: number) => boolean,
  ) {
    this.#project = project;
    this.#args = args;
    this.#preload = [...preload, 'last-step.mjs'];
    this.#stepFile = join(project.cwd, `${name}.step`);
    this.ended = this.#live(isDone);
  }

  /** Of the process that runs, or that ran last. */
  get lastStep(): string {
    return readFileSync(this.#stepFile, 'utf8').trim();
  }

  /** Kills it wherever it is; gives the last step it had reached. Undefined where it was not running. */
  async kill(): Promise<string | undefined> {
    const running = this.#running;
    if (!running?.child.kill('SIGKILL')) return undefined;
    const { code } = await running.ended;
    return code === SIGKILLED ? this.#stepAtEnd : undefined;
  }

  /** Lets it end by itself, or by SIGTERM, and starts it no more. */
  async stop(signal?: 'SIGTERM'): Promise<void> {
    this.#stopped = true;
    if (signal) this.#running?.child.kill(signal);
    await this.ended;
  }

  async #live(isDone: (code: number) => boolean): Promise<void> {
    for (;;) {
      this.starts += 1;
      writeFileSync(this.#stepFile, STARTING);
      this.#running = startBinary(this.#args, {
        ...this.#project,
        env: { ...this.#project.env, ES_MIGRATE_TEST_LAST_STEP: this.#stepFile },
        preload: this.#preload,
      });
      const { code, stderr } = await this.#running.ended;
      this.#running = undefined;
      // Whoever killed it is told later: the next one writes to the same file.
      this.#stepAtEnd = this.lastStep;
      if (code !== SIGKILLED) this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
      if (!EXPECTED.has(code)) this.complaints.push(`${code}: ${stderr}`);
      if (this.#stopped || isDone(code)) return;
      // Killed, it is back at once; where it found nothing to do, it need not look again at once.
      if (code !== SIGKILLED) await sleep(200);
    }
  }
}

/** What stands for the last step before the first (last-step.mjs). */
export const STARTING = 'starting';
const SIGKILLED = 128 + 9;
/** Done, nothing left to claim but what others hold, killed, stopped. */
const EXPECTED = new Set([0, 4, SIGKILLED, 143]);
