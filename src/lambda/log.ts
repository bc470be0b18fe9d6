import { shownJson } from '../commands/terminal/printable.js';
import type { RunEvent } from '../core/run.js';
import type { Context } from './event.js';

/** Lines of JSON on stdout, which is where Lambda takes a function's log from; each names the request it belongs to. */
export class LambdaLog {
  #fields: Readonly<Record<string, string>> = {};

  /** From here on lines belong to this request. */
  begin({ awsRequestId, functionName }: Context): void {
    this.#fields = { requestId: awsRequestId, function: functionName };
  }

  readonly report = (event: RunEvent): void => {
    if (event.type !== 'log' || event.level === 'debug') return;
    const { level, message, fields } = event;
    this.write({ level, message, ...fields });
  };

  write(line: Readonly<Record<string, unknown>>): void {
    const json = shownJson({ time: new Date().toISOString(), ...line, ...this.#fields });
    process.stdout.write(`${json}\n`);
  }
}
