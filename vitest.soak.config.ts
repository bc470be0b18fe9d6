import { defineConfig } from 'vitest/config';
import config from './vitest.config.js';

/** What takes longer than a few minutes: `npm run test:soak`. */
export default defineConfig({
  test: {
    ...config.test,
    include: ['test/soak/**/*.test.ts'],
    exclude: [],
    // One after the other: each of them takes the whole machine.
    fileParallelism: false,
    testTimeout: 1_800_000,
    // What they measured is for the documentation.
    disableConsoleIntercept: true,
  },
});
