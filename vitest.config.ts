import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, the longest first: begun last, one of them would run while the other processor has nothing left to do. */
const LONG = [
  'faults/embedded',
  'journeys/restart',
  'journeys/acceptance',
  'faults/full-disk',
  'journeys/lost-temporal',
  'journeys/budget',
  'journeys/histories-in-clear',
  'faults/clock',
  'journeys/delivery',
  'temporal/dev-server',
  'http/sources',
  'faults/poison-release',
  'journeys/answers',
  'main/audit',
  'channels/conformance',
  'ledger/protocol.model',
  'journeys/stored',
  'activities/crash',
  'security/reach',
  'security/canaries',
  'activities/toggles',
  'http/mixed',
  'http/senders',
  'journeys/jobs',
  'listeners/mail',
  'listeners/redis-stream',
  'http/alertmanager-prometheus',
  'http/alertmanager-parity',
  'clients/run',
  'main/secrets',
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
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', 'test/support/tally.ts'],
    globalSetup: ['test/support/global-setup.ts'],
  },
});
