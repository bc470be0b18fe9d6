import type { Condition, Written } from './s3-condition.js';
import { readFailure, type S3Failure } from './s3-faults.js';
import { lacksConditions } from './s3-unsupported.js';
import type { ObjectStat } from './target.js';

/**
 * Sends conditional requests, and reads from the answer whether the condition was met. A server that doesn't know
 * conditions gets requests without one from then on.
 */
export class ConditionalWriter {
  #supported = true;

  /** The server was seen to ignore conditions. */
  doWithout(): void {
    this.#supported = false;
  }

  /** False once the server has shown that it knows no conditions: then nothing but a look protects what stands there. */
  get supported(): boolean {
    return this.#supported;
  }

  /**
   * One request. Undefined where the condition wasn't met, or wasn't known: then what stands there has to be looked at.
   * `look` is used where no answer came.
   */
  async write(
    send: (condition: Condition) => Promise<Written>,
    condition: Condition,
    look: () => Promise<ObjectStat | undefined>,
  ): Promise<Written | undefined> {
    if (!this.#supported) return send({});
    try {
      return await send(condition);
    } catch (error) {
      const failure = readFailure(error);
      if (failure === undefined) throw error;
      const { status, code } = failure;
      if (status === 412 || (code === 'NoSuchKey' && condition.IfMatch !== undefined)) {
        return undefined;
      }
      if (isConditional(condition) && lacksConditions(error)) {
        this.#supported = false;
        return undefined;
      }
      if (isHangUp(failure) && isUnmet(condition, await look().catch(() => undefined))) {
        return undefined;
      }
      throw error;
    }
  }
}

function isConditional({ IfMatch, IfNoneMatch }: Condition): boolean {
  return (IfMatch ?? IfNoneMatch) !== undefined;
}

/**
 * A server may refuse before it has read the body, and hang up: the answer to a large request then never arrives
 * (versitygw 1.8, from a few hundred KB on).
 */
function isHangUp({ status, code }: S3Failure): boolean {
  return status === undefined && (code === 'ECONNRESET' || code === 'EPIPE');
}

function isUnmet({ IfMatch }: Condition, found: ObjectStat | undefined): boolean {
  return found !== undefined && (IfMatch === undefined || IfMatch !== `"${found.etag ?? ''}"`);
}
