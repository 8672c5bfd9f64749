/**
 * Seeded rounds as one test. `FAULT_SEED=17` runs one again alone and shows what its processes wrote; `FAULT_ROUNDS` and
 * `FAULT_FROM` choose others, `FAULT_AT_ONCE` how many run side by side.
 */
import { expect, it } from 'vitest';
import { STEPS } from '../../src/ledger/steps.ts';
import { ASIDE } from './plan.ts';
import { nameOf, type Round, runRound } from './round.ts';
import type { Kind } from './system.ts';

const { FAULT_SEED, FAULT_ROUNDS, FAULT_FROM = '1', FAULT_AT_ONCE } = process.env;
/** So many that every step and six blows have their turn. */
const ROUNDS = 10;
/** So many that everybody has been killed at every step, most of them several times. */
const ALL_ROUNDS = 200;
const ROUND_MS = 120_000;
/** Of ten steps that not everything goes through, so many may not be reached by ten rounds. */
const MISSED_MAX = 4;

export function keepsItsPromises(kind: Kind, atOnce: number): void {
  const seeds = FAULT_SEED
    ? [Number(FAULT_SEED)]
    : Array.from({ length: Number(FAULT_ROUNDS ?? ROUNDS) }, (_, at) => Number(FAULT_FROM) + at);

  it(`keeps its promises (seeds ${seeds[0]} to ${seeds.at(-1)})`, { timeout: seeds.length * ROUND_MS }, async () => {
    const rounds = await run([...seeds], kind, Number(FAULT_AT_ONCE ?? atOnce));
    const broken = rounds.flatMap((round) => round.violations.map((violation) => `seed ${round.seed}: ${violation}`));
    expect(broken).toEqual([]);
    expect(rounds.every(({ accepted, hits }) => accepted > 0 && hits > 0)).toBe(true);
    if (seeds.length < ROUNDS || seeds[0] !== 1) return;
    const failedAt = new Set(rounds.flatMap((round) => round.failedAt));
    const missed = STEPS.filter((step) => !kind.victims.some((victim) => failedAt.has(nameOf({ step, victim }))));
    expect(missed.filter((step) => !ASIDE.test(step))).toEqual([]);
    // Whether a round is long enough for all the others is a matter of the machine.
    expect(missed.length).toBeLessThan(MISSED_MAX);
    // Each has been killed at each step once there were ten rounds for each, and as many for those that came too late.
    if (seeds.length >= ALL_ROUNDS)
      expect(
        kind.victims
          .flatMap((victim) => STEPS.map((step) => nameOf({ step, victim })))
          .filter((name) => !failedAt.has(name)),
      ).toEqual([]);
  });
}

/** The rounds of these seeds, some side by side: each waits more than it works. */
async function run(left: number[], kind: Kind, atOnce: number): Promise<Round[]> {
  const rounds: Round[] = [];
  const lane = async (): Promise<void> => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      const round = await runRound(seed, kind).catch((error: unknown) => {
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
