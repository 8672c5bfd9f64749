import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/cluster/**'], // They need PostgreSQL: vitest.postgres.config.ts.
    pool: 'forks', // Temporal's native core does not survive worker threads (sdk-typescript#876).
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', 'test/support/tally.ts'],
    globalSetup: ['test/support/global-setup.ts'],
  },
});
