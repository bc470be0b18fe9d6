import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnGuarded, type Guarded } from '../guard.js';
import type { LambdaRuntime } from './prepare.js';
import { startRuntimeApi, type RuntimeApi } from './runtime-api.js';

/** A function as it was deployed. */
export interface LambdaSettings {
  readonly name: string;
  /** `FILE.EXPORT`, in `taskRoot`. */
  readonly handler: string;
  /** The folder with the bundles. */
  readonly taskRoot: string;
  readonly env: Readonly<Record<string, string>>;
  /** After so long an invocation is ended, in milliseconds. */
  readonly timeoutMs: number;
}

/** How an invocation ended. */
export type Outcome =
  /** `body`: what the function returned, as JSON. */
  | { readonly kind: 'returned'; readonly body: string }
  /** `body`: what the runtime reported, as JSON. */
  | { readonly kind: 'threw'; readonly body: string }
  | { readonly kind: 'timed-out'; readonly message: string }
  /** Its process ended, by itself or by a signal. */
  | { readonly kind: 'died'; readonly code: number };

const MEMORY_MIB = 1024;
const REGION = 'us-east-1';

/** One process of a function, which works on one invocation at a time and is frozen in between. */
export class LambdaContainer {
  readonly #settings: LambdaSettings;
  readonly #api: RuntimeApi;
  readonly #process: Guarded;
  readonly #directory: string;
  readonly #startedAt = performance.now();
  #hasEnded = false;
  #peakBytes = 0;
  #invocations = 0;
  /** Once its process is gone. */
  #log: string | undefined;
  /** From the start of its process until it asked for its first event, in milliseconds; undefined where it never did. */
  initMs: number | undefined;

  private constructor(
    settings: LambdaSettings,
    parts: { api: RuntimeApi; process: Guarded; directory: string },
  ) {
    this.#settings = settings;
    this.#api = parts.api;
    this.#process = parts.process;
    this.#directory = parts.directory;
    void parts.process.ended.then(() => (this.#hasEnded = true));
  }

  static async start(runtime: LambdaRuntime, settings: LambdaSettings): Promise<LambdaContainer> {
    const { name, handler, taskRoot, env } = settings;
    const api = await startRuntimeApi();
    // Of its own: the guard removes it with the process.
    const directory = await mkdtemp(join(tmpdir(), 'es-migrate-lambda-'));
    const home = join(directory, 'servers', name);
    await mkdir(home, { recursive: true });
    const process = await spawnGuarded(home, runtime.node, [runtime.client, handler], {
      AWS_LAMBDA_RUNTIME_API: api.address,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MEMORY_MIB),
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: 'sandbox',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x',
      AWS_REGION: REGION,
      LAMBDA_TASK_ROOT: taskRoot,
      _HANDLER: handler,
      TZ: ':UTC',
      ...env,
    });
    return new LambdaContainer(settings, { api, process, directory });
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** False once its process is gone: it can't be invoked any more. */
  get isAlive(): boolean {
    return !this.#hasEnded;
  }

  /** The most memory its process has had, as of the end of its last invocation. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  get invocations(): number {
    return this.#invocations;
  }

  /** Everything that was written to its log. */
  async log(): Promise<string> {
    return this.#log ?? this.#process.log();
  }

  /** Works on one event: the caller waits for the end before it hands over the next. */
  async invoke(event: unknown): Promise<Outcome> {
    const died = this.#process.ended.then((code) => ({ kind: 'died', code }) as const);
    const initialised = this.#api.idle().then((error) => ({ kind: 'initialised', error }) as const);
    const first = await Promise.race([initialised, died]);
    if (first.kind === 'died') return this.#ended(first);
    if (first.error !== undefined) return this.#ended({ kind: 'threw', body: first.error });
    this.initMs ??= performance.now() - this.#startedAt;
    this.#invocations += 1;
    const { timeoutMs } = this.#settings;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Outcome>((resolve) => {
      const message = `Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`;
      timer = setTimeout(() => resolve({ kind: 'timed-out', message }), timeoutMs);
    });
    this.#signal('SIGCONT');
    const said = this.#hand(event, timeoutMs);
    const outcome = await Promise.race([said, died, late]);
    clearTimeout(timer);
    this.#peakBytes = Math.max(this.#peakBytes, await peakOf(this.pid));
    if (outcome.kind === 'returned' || outcome.kind === 'threw') await this.#freezeWhenIdle(died);
    else return this.#ended(outcome);
    return outcome;
  }

  /** As a host that fails: its process is gone in the middle of whatever it does. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  async stop(): Promise<void> {
    this.#log ??= await this.#process.log();
    await this.#process.stop();
    this.#hasEnded = true;
    this.#api.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #hand(event: unknown, timeoutMs: number): Promise<Outcome> {
    const { name } = this.#settings;
    const { kind, body } = await this.#api.hand({
      requestId: randomUUID(),
      body: JSON.stringify(event),
      deadline: Date.now() + timeoutMs,
      functionArn: `arn:aws:lambda:${REGION}:000000000000:function:${name}`,
    });
    return { kind: kind === 'response' ? 'returned' : 'threw', body };
  }

  /** Lambda freezes a runtime that has asked for its next event, with all its timers and connections. */
  async #freezeWhenIdle(died: Promise<unknown>): Promise<void> {
    await Promise.race([this.#api.idle(), died]);
    this.#signal('SIGSTOP');
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#hasEnded) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It has ended in this very moment.
    }
  }

  /** A container whose invocation did not come to its end is not used again. */
  async #ended(outcome: Outcome): Promise<Outcome> {
    this.kill();
    await this.#process.ended;
    await this.stop();
    return outcome;
  }
}

/** The most physical memory a process ever had, in bytes; 0 where it is gone already. */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}
