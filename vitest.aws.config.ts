import { defineConfig } from 'vitest/config';
import config from './vitest.soak.config.js';

/** The long run of the Lambda functions: `npm run test:aws`. */
export default defineConfig({
  test: { ...config.test, include: ['test/aws/**/*.test.ts'] },
});
