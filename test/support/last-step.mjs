/**
 * Loaded before the binary (`node --import`): keeps the name of the last step that was reached in the file
 * ES_MIGRATE_TEST_LAST_STEP, where it is found after a SIGKILL.
 */
import { subscribe } from 'node:diagnostics_channel';
import { openSync, writeSync } from 'node:fs';

const file = openSync(process.env.ES_MIGRATE_TEST_LAST_STEP, 'r+');
subscribe('es-migrate:step', (step) => writeSync(file, step.padEnd(40), 0));
