/**
 * What Alertmanager promises, played against it and against us with one alertmanager.yml, which our own importer reads.
 * The ideas are those of its acceptance tests: https://github.com/prometheus/alertmanager/tree/main/test/with_api_v2/acceptance
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ear, play, type Scenario, type Side, type SideName, startEar } from '../support/parity.ts';
import { GLOBAL, RESTARTED, SCENARIOS } from '../support/parity-scenarios.ts';
import { alertmanagerYml, startOurs, startOursToKill, startTheirs } from '../support/parity-sides.ts';
import { havePrograms } from '../support/programs.ts';

const ALL = [...SCENARIOS, ...RESTARTED];

/** Two starts, the longest scenario, and the ears that wait for what never comes. */
const PLAYED_MS = 240_000;
const SIDES: readonly SideName[] = ['theirs', 'ours'];

describe.runIf(havePrograms('alertmanager'))('beside Alertmanager', () => {
  /** All at once, by `side/scenario`: what names the messages that no step has heard. */
  const plays = new Map<string, Promise<() => string[]>>();
  const undo: (() => Promise<unknown> | unknown)[] = [];
  let ear: Ear;
  const begin = (scenarios: readonly Scenario[], name: SideName, start: typeof startOurs): void => {
    const started = start(alertmanagerYml(ALL, name, ear.url, GLOBAL), undo);
    for (const scenario of scenarios) {
      const played = started.then((side: Side) => play(scenario, side, ear));
      played.catch(() => undefined); // Whoever asks for it is told.
      plays.set(`${name}/${scenario.name}`, played);
    }
  };
  beforeAll(async () => {
    ear = await startEar(ALL);
    undo.push(ear.close);
    begin(SCENARIOS, 'theirs', startTheirs);
    begin(SCENARIOS, 'ours', startOurs);
    begin(RESTARTED, 'theirs', startTheirs);
    begin(RESTARTED, 'ours', startOursToKill);
  });
  afterAll(async () => {
    await Promise.allSettled(plays.values());
    for (const step of undo.splice(0).reverse()) await step();
  });

  describe.each(ALL)('$name: $about', ({ name }) => {
    it.each(SIDES)('%s', async (side) => void (await plays.get(`${side}/${name}`)), PLAYED_MS);
  });

  it(
    'nobody is told anything else',
    async () => {
      const played = await Promise.allSettled(plays.values());
      const surplus = played.flatMap((one) => (one.status === 'fulfilled' ? one.value() : []));
      expect(surplus).toEqual([]);
    },
    PLAYED_MS,
  );

  it('both say it in the same fields', async () => {
    const [theirs, ours] = SIDES.map((side) => ear.heard.items.find(({ path }) => path.startsWith(`${side}/`))?.body);
    const fields = (body: unknown): string[] => Object.keys(Object(body)).sort();
    expect(fields(ours)).toEqual(fields(theirs));
    expect(fields(ours?.alerts[0])).toEqual(fields(theirs?.alerts[0]));
  });
});
