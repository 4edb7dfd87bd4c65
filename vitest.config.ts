import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/build/installed/**'],
    // Most of a test is waiting for processes and servers: as many at once as the smallest machine has cores.
    maxWorkers: 2,
    globalSetup: ['test/support/built.ts'],
    setupFiles: ['test/support/close-network.ts'],
    // The titles of tests are sentences: they are not cut.
    chaiConfig: { truncateThreshold: 0 },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['{core,adapters,lambda,infra,cli,local,terminal}/**/*.ts'],
      reporter: ['text-summary', 'html'],
    },
  },
});
