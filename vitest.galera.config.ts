import { defineConfig } from 'vitest/config';
import config from './vitest.soak.config.js';

/** On a Galera cluster of two nodes: `npm run test:galera`. Needs Debian's packages, and is not part of `npm test`. */
export default defineConfig({
  test: { ...config.test, include: ['test/galera/**/*.test.ts'] },
});
