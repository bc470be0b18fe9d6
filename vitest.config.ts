import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What takes longer than a few minutes has a command of its own: vitest.soak.config.ts, vitest.aws.config.ts.
    exclude: ['test/soak/**', 'test/aws/**'],
    // One set of real servers for the whole run; see test/support/sandbox.ts.
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Twice the cores of a small machine: many tests wait for leases and servers.
    maxWorkers: 4,
    // Bounds for a hanging test, not expectations: real servers on a busy machine take their time.
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
