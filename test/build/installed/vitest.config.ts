import { defineConfig } from 'vitest/config';

/** Tests that install packages, so they need a registry: `npm run test:packages`. */
export default defineConfig({
  test: {
    include: ['test/build/installed/*.test.ts'],
    maxWorkers: 2,
    globalSetup: ['test/build/installed/packed.ts'],
    chaiConfig: { truncateThreshold: 0 },
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
