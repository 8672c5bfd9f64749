import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * What takes longest, begun first: at the end one of them would run while a processor has nothing left to do. Before all others
 * come those that wait more than they work: three side by side, nobody is kept from being in time.
 */
const LONG = [
  'journeys/restart',
  'journeys/lost-temporal',
  'journeys/budget',
  'journeys/acceptance',
  'journeys/histories-in-clear',
  'faults/full-disk',
  'faults/full-temporal',
  'faults/clock',
  'faults/embedded',
  'faults/summary',
  'journeys/delivery',
  'journeys/answers',
  'temporal/dev-server',
  'faults/poison-release',
  'main/audit',
  'main/secrets',
  'ledger/protocol.model',
  'channels/conformance',
  'journeys/stored',
  'security/reach',
  'security/canaries',
  'activities/crash',
  'activities/toggles',
  'http/sources',
  'http/mixed',
  'http/senders',
  'http/alertmanager-prometheus',
  'listeners/mail',
  'listeners/redis-stream',
  'journeys/alarm',
  'journeys/silence',
  'journeys/jobs',
  'clients/run',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/cluster/**'], // They need PostgreSQL: vitest.postgres.config.ts.
    pool: 'forks', // Temporal's native core does not survive worker threads (sdk-typescript#876).
    // Each file compiles PGlite, and most have ended before optimised code would pay: a sixth to a third less time (measured).
    execArgv: ['--liftoff-only'],
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 10_000 } }, // A busy machine stands still for longer than the second that is usual.
    reporters: ['default', 'test/support/tally.ts'],
    globalSetup: ['test/support/global-setup.ts'],
  },
});
