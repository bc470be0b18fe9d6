/**
 * A worker of `es-migrate process --processes N`, forked by worker-process.ts: carries batches as the command itself
 * would, and says by messages what there is to say. Imports what it needs when it needs it, beginning with the signals.
 */
import '../../host/inspection.js';
import { setMaxListeners } from 'node:events';
import { takeLibraryOutput } from '../../host/library-output.js';
import { knowEnvironment } from '../../config/secrets.js';
import type { Wants } from '../../core/connect.js';
import type { RunEvent } from '../../core/run.js';
import type { Notice, Order, Start } from './messages.js';

const stop = new AbortController();
// One listener for each request in flight is meant, and no leak.
setMaxListeners(0, stop.signal);
const stopNow = (): void => stop.abort();

// Ctrl-C reaches the whole group, and a service manager may signal each process: once or five times, it is one stop. Only
// the command, told twice, ends its workers at once.
process.on('SIGINT', stopNow).on('SIGTERM', stopNow);
// The command is gone, however it went.
process.on('disconnect', stopNow);
process.on('message', (order: Order) => {
  if (order.type === 'stop') stopNow();
  else void work(order);
});
process.on('uncaughtException', (error) => void fail(error).then(() => process.exit(1)));
// For developers.
takeLibraryOutput((message) => report({ type: 'log', level: 'debug', message }));

knowEnvironment(process.env);

async function work({ settings, known, options, sentAt }: Start): Promise<void> {
  try {
    const { maxRuntimeMs } = options;
    const left =
      maxRuntimeMs === undefined ? undefined : Math.max(0, maxRuntimeMs - (Date.now() - sentAt));
    const [{ restoreTlsDefaults }, { createRun }, { connect }, { carryBatches }] =
      await Promise.all([
        import('../../host/tls-defaults.js'),
        import('../create-run.js'),
        import('../../core/connect.js'),
        import('../../core/process/process.js'),
      ]);
    restoreTlsDefaults();
    const run = createRun(stop.signal, report);
    const queue = options.fromQueue ? 'receive' : undefined;
    const wants: Wants = { source: true, target: true, queue, known };
    const on = await connect(settings, wants, run);
    try {
      const requeue = () => Promise.resolve();
      const carried = await carryBatches(run, on, { ...options, maxRuntimeMs: left }, requeue);
      tellMeasures();
      await tell({ type: 'done', carried });
    } finally {
      await on.close();
    }
  } catch (error) {
    await fail(error);
  }
  // Nothing else keeps this process.
  if (process.connected) process.disconnect();
}

async function fail(error: unknown): Promise<void> {
  tellMeasures();
  const { toPlain } = await import('./plain-error.js');
  await tell({ type: 'failed', error: toPlain(error), stopping: stop.signal.aborted });
}

/** Something is measured with each answer of Elasticsearch: told together, once a second. */
let measures: RunEvent[] = [];
setInterval(tellMeasures, 1_000).unref();

function report(event: RunEvent): void {
  if (event.type === 'measured') measures.push(event);
  else void tell({ type: 'events', events: [event] });
}

function tellMeasures(): void {
  if (measures.length === 0) return;
  const events = measures;
  measures = [];
  void tell({ type: 'events', events });
}

/** Resolves when it was sent, or nobody is there to hear it. */
function tell(notice: Notice): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || !process.send) resolve();
    else process.send(notice, undefined, undefined, () => resolve());
  });
}
