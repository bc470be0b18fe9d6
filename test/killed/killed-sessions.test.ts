import { KILL_CASES } from './cases.js';
import { describeKills } from './survives.js';
import { WORST_KILL_SESSIONS } from './worst-sessions.js';

/** Where what is in MySQL is half done. All steps: test/soak/killed-sessions.test.ts. */
const STEPS = ['page-inserted', 'failed-moved', 'batch-taken', 'counters-moved', 'rows-completed'];
const CASES = KILL_CASES.filter(({ step, layout }) => STEPS.includes(step) && layout === 'message');

for (const [title, initConnect] of Object.entries(WORST_KILL_SESSIONS))
  describeKills(`killed, where a session begins with ${title}`, CASES, initConnect);
