import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-postgres.ts'],
    // Processes, as the tests start and kill programs and a worker thread that ends takes its children along.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // A transaction of another test, in the same PostgreSQL, holds events back for as long as it lasts.
    expect: { poll: { timeout: 10_000 } },
  },
})
