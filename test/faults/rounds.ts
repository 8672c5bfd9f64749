/**
 * Seeded rounds as one test. `FAULT_SEED=17` runs one again alone and shows what its processes wrote; `FAULT_ROUNDS` and
 * `FAULT_FROM` choose others, `FAULT_AT_ONCE` how many run side by side.
 */
import { expect, it } from 'vitest';
import { STEPS } from '../../src/ledger/steps.ts';
import { type Round, runRound } from './round.ts';
import type { System } from './system.ts';

const { FAULT_SEED, FAULT_ROUNDS, FAULT_FROM = '1', FAULT_AT_ONCE } = process.env;
/** So many that every step and three blows have their turn. */
const ROUNDS = 10;
const ROUND_MS = 120_000;

export function keepsItsPromises(build: (receiver: string) => Promise<System>, atOnce: number): void {
  const seeds = FAULT_SEED
    ? [Number(FAULT_SEED)]
    : Array.from({ length: Number(FAULT_ROUNDS ?? ROUNDS) }, (_, at) => Number(FAULT_FROM) + at);

  it(`keeps its promises (seeds ${seeds[0]} to ${seeds.at(-1)})`, { timeout: seeds.length * ROUND_MS }, async () => {
    const rounds = await run([...seeds], build, Number(FAULT_AT_ONCE ?? atOnce));
    const broken = rounds.flatMap((round) => round.violations.map((violation) => `seed ${round.seed}: ${violation}`));
    expect(broken).toEqual([]);
    expect(rounds.every(({ accepted, hits }) => accepted > 0 && hits > 0)).toBe(true);
    if (seeds.length >= ROUNDS && seeds[0] === 1)
      expect([...new Set(rounds.flatMap(({ failedAt }) => failedAt))].sort()).toEqual([...STEPS].sort());
  });
}

/** The rounds of these seeds, some side by side: each waits more than it works. */
async function run(left: number[], build: (receiver: string) => Promise<System>, atOnce: number): Promise<Round[]> {
  const rounds: Round[] = [];
  const lane = async (): Promise<void> => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      const round = await runRound(seed, build).catch((error: unknown) => {
        left.length = 0; // The other lanes end with the round that they are at.
        throw error;
      });
      rounds.push(round);
      if (FAULT_SEED) console.log(round.output);
      if (FAULT_SEED || FAULT_ROUNDS) console.log(tell(round));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return rounds;
}

const tell = ({ seed, violations, struckBy, accepted, hits, calm_ms }: Round): string =>
  [
    `seed ${seed}: ${accepted} answers journaled, ${hits} hits, calm after ${(calm_ms / 1_000).toFixed(1)} s`,
    ...struckBy,
    ...violations,
  ].join('; ');
