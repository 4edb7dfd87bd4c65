import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/close-network.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['lambda/**', 'infra/**', 'cli/**', 'local/**'],
      reporter: ['text-summary', 'html'],
    },
  },
});
