import { KILL_CASES } from '../killed/cases.js';
import { describeKills } from '../killed/survives.js';
import { WORST_KILL_SESSIONS } from '../killed/worst-sessions.js';

for (const [title, initConnect] of Object.entries(WORST_KILL_SESSIONS))
  describeKills(
    `killed at every step, where a session begins with ${title}`,
    KILL_CASES,
    initConnect,
  );
