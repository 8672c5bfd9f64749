/**
 * Seeded rounds of faults on an embedded Tocsin. `FAULT_SEED=17` runs one again alone, `FAULT_ROUNDS` and `FAULT_FROM` choose
 * others, `FAULT_AT_ONCE` how many run side by side.
 */
import { describe, expect, it } from 'vitest';
import { STEPS } from '../../src/ledger/steps.ts';
import { type Round, runRound } from './round.ts';
import { embedded } from './system.ts';

const { FAULT_SEED, FAULT_ROUNDS = '10', FAULT_FROM = '1', FAULT_AT_ONCE = '3' } = process.env;
const seeds = FAULT_SEED
  ? [Number(FAULT_SEED)]
  : Array.from({ length: Number(FAULT_ROUNDS) }, (_, at) => Number(FAULT_FROM) + at);
const ROUND_MS = 120_000;

/** The rounds of these seeds, some side by side: each waits more than it works. */
async function run(): Promise<Round[]> {
  const left = [...seeds];
  const rounds: Round[] = [];
  const lane = async (): Promise<void> => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      const round = await runRound(seed, embedded).catch((error: unknown) => {
        left.length = 0; // The other lanes end with the round that they are at.
        throw error;
      });
      rounds.push(round);
      if (FAULT_SEED) console.log(round.output);
      if (FAULT_SEED || FAULT_ROUNDS !== '10') console.log(tell(round));
    }
  };
  await Promise.all(Array.from({ length: Number(FAULT_AT_ONCE) }, lane));
  return rounds;
}

const tell = ({ seed, violations, failedAt, events, hits, calm_ms }: Round): string =>
  [
    `seed ${seed}: ${events} answers journaled, ${hits} hits, calm after ${(calm_ms / 1_000).toFixed(1)} s`,
    ...failedAt.map((step) => `failed at ${step}`),
    ...violations,
  ].join('; ');

describe('an embedded Tocsin under fire', () => {
  it(`keeps its promises (seeds ${seeds[0]} to ${seeds.at(-1)})`, { timeout: seeds.length * ROUND_MS }, async () => {
    const rounds = await run();
    const broken = rounds.flatMap((round) => round.violations.map((violation) => `seed ${round.seed}: ${violation}`));
    expect(broken).toEqual([]);
    expect(rounds.every(({ events, hits }) => events > 0 && hits > 0)).toBe(true);
    // Ten rounds in a row fail at every step there is.
    if (seeds.length === 10 && seeds[0] === 1)
      expect([...new Set(rounds.flatMap(({ failedAt }) => failedAt))].sort()).toEqual([...STEPS].sort());
  });
});
