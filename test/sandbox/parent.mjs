// Started by guard.test.ts as a process of its own, to be killed. Imports the compiled sandbox, as the package does.
import { startSandbox } from '../../dist/sandbox/index.js';

const { dir, pids } = await startSandbox();
console.log(JSON.stringify({ dir, pids }));
