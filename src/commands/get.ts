import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FoundDocument } from '../core/index.js';
import { usage } from '../core/errors.js';
import { DamagedObject } from '../core/get/damage.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, EXIT, type Verdict } from './exit-codes.js';
import { forTerminal } from './terminal/document.js';

/** `es-migrate get ID`: the document's bytes, and not one more, on stdout; on a terminal what would act on it is escaped. */
export async function get(
  { id: messageId, index, anywhere = false }: { id: string; index?: string; anywhere?: boolean },
  context: CommandContext,
): Promise<Verdict> {
  return withConnections(
    context,
    { needs: { source: false, target: true } },
    () => undefined,
    async ({ run, on }) => {
      const core = await import('../core/index.js');
      const document = await core.getDocument(run, on, { messageId, index, anywhere });
      return answer(document, { id: JSON.stringify(messageId), index }, context);
    },
  );
}

async function answer(
  document: FoundDocument,
  { id, index }: { id: string; index: string | undefined },
  { stdout, stdoutLost }: CommandContext,
): Promise<Verdict> {
  switch (document.kind) {
    case 'found':
      try {
        const bytes = Readable.from(document.bytes);
        // Redirected they stay as they are; what would act on a terminal is escaped there.
        if (stdout.isTTY) await pipeline(bytes, forTerminal(), stdout, { end: false });
        else await pipeline(bytes, stdout, { end: false });
        return done;
      } catch (error) {
        // A reader that has seen enough, such as `head`, ends it; any other error of stdout is told where streams are watched.
        if (isErrorOf(stdoutLost, error)) return done;
        if (!(error instanceof DamagedObject)) throw error;
        return damaged(id, document.url, `${error.message}; what was printed is not it`);
      }
    case 'damaged':
      return damaged(id, document.url, document.reason);
    case 'unknown':
      if (document.elsewhere.length > 0) {
        throw usage(
          `no message ${id} of index ${index ?? ''} is tracked, but of ${document.elsewhere.join(', ')}`,
          'give that one as --index NAME',
        );
      }
      throw usage(
        `no message ${id} is tracked`,
        '"es-migrate status" shows what is; ids are case-sensitive',
      );
    case 'ambiguous':
      throw usage(
        `${id} occurs in several indices: ${document.indices.join(', ')}`,
        'say which by --index NAME',
      );
    case 'not-completed': {
      const code = document.code === undefined ? '' : ` (${document.code})`;
      return {
        code: EXIT.leftOver,
        next: `${id} is ${document.status}${code}; ${document.status === 'failed' ? '"es-migrate errors" says what puts it back' : '"es-migrate process" migrates it'}`,
      };
    }
    case 'gone':
      return {
        code: EXIT.leftOver,
        next: `${id} was stored as ${document.url}, but there is no such object any more; ${REPAIR}`,
      };
  }
}

const REPAIR =
  '"es-migrate verify --level content --repair", then "es-migrate process", migrate it again';

function damaged(id: string, url: string, reason: string): Verdict {
  return { code: EXIT.leftOver, next: `${id} is damaged in ${url}: ${reason}; ${REPAIR}` };
}

function isErrorOf(lost: AbortSignal, error: unknown): boolean {
  return (
    (lost.aborted && lost.reason === error) ||
    (error instanceof Error && 'code' in error && error.code === 'EPIPE')
  );
}
