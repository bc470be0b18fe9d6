/** Loaded before the binary (`node --import`): a host whose clock is ES_MIGRATE_TEST_CLOCK_MS ahead (negative: behind). */
import { performance } from 'node:perf_hooks';

const ahead = Number(process.env.ES_MIGRATE_TEST_CLOCK_MS);
const RealDate = Date;
const realNow = Date.now.bind(Date);

class SkewedDate extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(realNow() + ahead);
    else super(...parts);
  }

  static now() {
    return realNow() + ahead;
  }
}
globalThis.Date = SkewedDate;
const origin = performance.timeOrigin + ahead;
Object.defineProperty(performance, 'timeOrigin', { get: () => origin });
