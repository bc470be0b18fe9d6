import { ALL_KILL_CASES } from '../killed/cases.js';
import { describeKills } from '../killed/survives.js';

describeKills('killed at every step, in both layouts, early and late', ALL_KILL_CASES);
