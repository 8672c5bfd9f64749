/** Owners in the configuration: the word in notify, where it may not stand, and whose integrations are whose. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Registry } from '../../src/config/integrations.ts';
import { fromText } from '../../src/config/load.ts';
import { checkNames, createIntegrations } from '../../src/config/stored.ts';
import type { StoredIntegration } from '../../src/core/stored.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { problemsIn } from '../support/problems.ts';

const registry: Registry = {
  channels: [
    {
      id: 'post',
      config: z.strictObject({ url: z.string() }),
      patience: { timeout_ms: 2_000, max_attempts: 2, backoff_ms: 1_000 },
    },
  ],
  writers: [{ id: 'diary', config: z.strictObject({ token: z.string() }) }],
  sources: [],
};
const FILE = `integrations:
  ops: { type: post, url: u }
  ana-file: { type: post, url: u, owner: ana, enabled: false }
  ana-diary: { type: diary, token: t, owner: ana }
`;
const load = (text: string) => fromText(FILE + text, 'tocsin.yaml', {}, registry);
const problems = (text: string): string[] => problemsIn(() => load(text));

describe('owner in tocsin.yaml', () => {
  it('is a word of notify, of the default route too, and needs no integration of that name', () => {
    const { routing, unresolved, warnings } = load(
      'routes: [ { name: jobs, notify: [owner, ops] } ]\ndefault: { notify: [owner] }',
    );
    expect(routing.routes[0]?.policy.notify).toEqual(['owner', 'ops']);
    expect(routing.fallback.policy.notify).toEqual(['owner']);
    expect([unresolved, warnings]).toEqual([[], []]);
  });

  it.each([
    'escalations: { e: { levels: [ { notify: owner } ] } }',
    'default: { notify: [owner], failover: { owner: ops } }',
    'default: { notify: [ops], failover: { ops: owner } }',
    "summaries: [ { name: daily, at: '18:00', notify: [owner] } ]",
  ])('may not stand elsewhere: %s', (text) => {
    expect(problems(text)).toEqual([expect.stringContaining('owner may stand in notify of a route and nowhere else')]);
  });

  it('is the name of no integration', () => {
    expect(problems('  owner: { type: post, url: u }')).toEqual([expect.stringContaining('must not be owner')]);
  });
});

const row = (name: string, more: Partial<StoredIntegration> = {}): StoredIntegration => {
  const at = new Date();
  const made = { made_at: at, made_by: 'ana', changed_at: at, changed_by: 'ana', revision: 1 };
  return { name, type: 'post', owner: 'ana', config: { url: 'u' }, secrets: null, settings: {}, ...made, ...more };
};

function world(rows: StoredIntegration[]) {
  const state = { rows, asked: 0, now: 10_000 };
  const { ownedBy } = createIntegrations({
    file: load('').integrations,
    registry,
    rows: async () => {
      state.asked++;
      return state.rows;
    },
    redactor: createRedactor(),
    now: () => state.now,
  });
  return { state, ownedBy };
}

describe('what somebody owns', () => {
  it('is in the file or stored, switched on or off, and never a writer', async () => {
    const usual = { timeout: '10s', backoff: '5s', max_attempts: 2 };
    const { ownedBy } = world([
      row('b'),
      row('a', { settings: { enabled: false, ...usual } }),
      row('broken', { config: {} }),
      row('broken-diary', { type: 'diary', config: {} }),
      row('of-bo', { owner: 'bo', settings: usual }),
      row('of-nobody', { owner: null }),
      row('ana-file', { owner: 'bo' }),
    ]);
    const patience = { timeout_ms: 2_000, backoff_ms: 1_000 };
    expect(Object.fromEntries(await ownedBy(['ana', 'bo']))).toEqual({
      ana: [
        { name: 'a', enabled: false },
        { name: 'ana-file', enabled: false, patience },
        { name: 'b', enabled: true, patience },
        { name: 'broken', enabled: true },
      ],
      bo: [{ name: 'of-bo', enabled: true }],
    });
  });

  it('is asked of the ledger every 5 seconds, and once a second for who has nothing yet', async () => {
    const { state, ownedBy } = world([row('b')]);
    for (let times = 0; times < 3; times++) await ownedBy(['ana']);
    expect(state.asked).toBe(1);
    state.rows = [row('b'), row('of-bo', { owner: 'bo' })];
    expect((await ownedBy(['bo'])).has('bo')).toBe(false);
    state.now += 1_000;
    expect((await ownedBy(['ana', 'bo'])).has('bo')).toBe(true);
    expect(state.asked).toBe(2);
    state.now += 4_999;
    await ownedBy(['ana', 'bo']);
    expect(state.asked).toBe(2);
    state.now += 1;
    await ownedBy(['ana', 'bo']);
    expect(state.asked).toBe(3);
  });
});

it('a stored integration that was called owner before the word meant something is warned of', () => {
  const config = { ...load(''), unresolved: [] };
  expect(checkNames(config, [row('owner')], registry)).toEqual([expect.stringContaining('called owner')]);
});
