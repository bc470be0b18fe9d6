import { defineConfig } from 'vitest/config';

/** Random answers for as long as one likes: `npm run fuzz -- --minutes N`. No server is needed. */
export default defineConfig({
  test: { include: ['test/elasticsearch/fuzz.test.ts'], disableConsoleIntercept: true },
});
