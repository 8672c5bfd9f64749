import { configDefaults, defineConfig, mergeConfig } from 'vitest/config';
import usual from './vitest.config.ts';

/** What must hold on PostgreSQL as well, and what only it can have: several processes of Tocsin on one ledger. */
export default mergeConfig(
  { ...usual, test: { ...usual.test, include: [], exclude: configDefaults.exclude } },
  defineConfig({
    test: {
      include: ['ledger', 'relay', 'http', 'activities', 'cluster'].map((room) => `test/${room}/**/*.test.ts`),
      globalSetup: ['test/support/postgres-setup.ts'],
    },
  }),
);
