import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import { getDocument } from '../../src/core/get/get-document.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import { createSpool, type Spool } from '../../src/core/objects/spool.js';
import { MessageWriter } from '../../src/core/process/message-writer.js';
import { UploadLimit } from '../../src/core/process/upload-limit.js';
import { ObjectWriter } from '../../src/core/process/object-writer.js';
import { requireHeld } from '../../src/core/tracking/claims.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { never } from '../elasticsearch/support.js';
import { temporaryDirectory } from '../process/support.js';
import { connectionsTo, quietRun } from '../support/core.js';
import {
  beginExtraction,
  claimed,
  clear,
  freshTracking,
  type Tracking,
} from '../support/tracking.js';

const MIB = 1 << 20;
const DOCUMENT = 300 * MIB;
/** Less than a third of the document, and more than what Node leaves lying about before it is collected. */
const MOST = 96 * MIB;

let tracking: Tracking;
beforeAll(async () => {
  tracking = await freshTracking();
});
afterAll(() => tracking.drop());

it.each(['batch', 'message'] as const)(
  'a document of 300 MB takes a few megabytes of memory, in layout %s',
  async (layout) => {
    const { database } = tracking;
    await clear(database);
    const extraction = await beginExtraction(database);
    await extraction.store(['large', 'small']);
    const directory = await temporaryDirectory();
    const target = await openTarget({ kind: 'file', layout, directory }, quietRun().host);
    onTestFinished(() => target.close());
    const batch = await claimed(database);
    const staging = await temporaryDirectory();
    const spool = (): Spool => createSpool({ memoryLimit: MIB, directory: staging });

    const context = {
      target,
      policy: { retryForMs: 1000, report: () => undefined },
      signal: never,
      limit: new UploadLimit({ most: 32, now: () => performance.now() }),
      beforeReplacing: () => requireHeld(database, batch),
    };
    const writer =
      layout === 'batch'
        ? new ObjectWriter(context, batch, { object: spool(), index: spool() })
        : new MessageWriter(context, batch, 'file');
    const hash = createHash('sha256');
    for (const message of batch.messages) {
      const start = Buffer.from(
        `{"message_id":"${message.id.toString()}","index":"messages","text":"`,
      );
      if (message.id.toString() === 'small') {
        await writer.add(message, { kind: 'bytes', bytes: start }, 1);
        continue;
      }
      const staged = spool();
      const piece = Buffer.alloc(MIB, 'x');
      for (let i = 0; i <= DOCUMENT / MIB; i += 1) {
        hash.update(i === 0 ? start : piece);
        await staged.write(i === 0 ? start : piece);
      }
      await writer.add(message, { kind: 'staged', content: await staged.finish() }, 1);
      await writer.flush();
      await staged.discard();
    }
    const { outcomes, object } = (await writer.finish()) as Awaited<
      ReturnType<ObjectWriter['finish']>
    >;
    await completeBatch(database, batch, outcomes, object);
    await writer.discard();

    const on = { ...withoutGetters(connectionsTo(tracking)), target } as Connections;
    const found = await getDocument(quietRun(), on, { messageId: 'large' });
    if (found.kind !== 'found') throw new Error(`it is ${found.kind}`);
    const got = createHash('sha256');
    let bytes = 0;
    let most = 0;
    for await (const chunk of found.bytes) {
      got.update(chunk);
      bytes += chunk.length;
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    expect(bytes).toBeGreaterThan(DOCUMENT);
    expect(got.digest('hex')).toBe(hash.digest('hex'));
    expect(most).toBeLessThan(MOST);
  },
);

/** What of the connections this needs. */
function withoutGetters({ settings, database, policy, leases, hasSchema }: Connections): object {
  return { settings, database, policy, leases, hasSchema };
}
