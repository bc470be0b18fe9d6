/**
 * Loaded before the binary (`node --import`): stops the process where ES_MIGRATE_TEST_STOP_AT says, as in
 * `SIGKILL batch-claimed 2` for the second time that step is reached. A stopped process goes on with SIGCONT.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';

const [signal, step, times = '1'] = (process.env.ES_MIGRATE_TEST_STOP_AT ?? '').split(' ');
let left = Number(times);

subscribe('es-migrate:step', (reached) => {
  if (reached !== step) return;
  left -= 1;
  if (left !== 0) return;
  writeSync(2, `stopping at ${step}\n`);
  process.kill(process.pid, signal);
  // The signal may take a moment to reach this thread, which must not get any further meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
});
