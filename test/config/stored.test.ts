/** Integrations by name: the file first, else the ledger, as it is within five seconds; and names that are in neither. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withPatience } from '../../src/config/compile.ts';
import type { Registry } from '../../src/config/integrations.ts';
import { type Config, fromText } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { checkNames, createIntegrations } from '../../src/config/stored.ts';
import { boundTo, type SecretField, type StoredIntegration } from '../../src/core/stored.ts';
import { createSealer, newSealingKey } from '../../src/ledger/sealing.ts';
import { createRedactor } from '../../src/observe/redact.ts';

const secret = z.string().min(1).meta({ writeOnly: true });
const registry: Registry = {
  channels: [{ id: 'post', config: z.strictObject({ url: secret, room: z.string().default('main') }) }],
  writers: [{ id: 'diary', config: z.strictObject({ token: secret }) }],
  sources: [],
};
const FILE = "integrations: { ops: { type: post, url: 'https://x.example/of-the-file' } }\n";
const load = (text: string, stored: readonly string[] | 'later' = 'later'): Config =>
  fromText(FILE + text, 'tocsin.yaml', {}, registry, stored);
const sealer = createSealer(newSealingKey());

function row(name: string, secrets: SecretField[] = [], more: Partial<StoredIntegration> = {}): StoredIntegration {
  const type = more.type ?? 'post';
  const at = new Date();
  return {
    name,
    type,
    owner: null,
    config: {},
    secrets: secrets.length === 0 ? null : sealer.seal(JSON.stringify(secrets), boundTo({ name, type })),
    settings: {},
    made_at: at,
    made_by: 'ana',
    changed_at: at,
    changed_by: 'ana',
    revision: 1,
    ...more,
  };
}

function world(rows: StoredIntegration[], more: { open?: typeof sealer.open | undefined } = { open: sealer.open }) {
  const state = { rows, asked: 0, now: 1_000, fails: false };
  const redactor = createRedactor();
  const known = createIntegrations({
    file: load('').integrations,
    registry,
    rows: async () => {
      state.asked++;
      if (state.fails) throw new Error('the ledger is away');
      return state.rows;
    },
    open: more.open,
    redactor,
    now: () => state.now,
  });
  return { state, known, redactor };
}

const URL_FIELD: SecretField = [['url'], 'https://x.example/of-the-ledger'];

describe('an integration by its name', () => {
  it('is that of the file, without a question to the ledger', async () => {
    const { state, known } = world([row('ops', [URL_FIELD])]);
    expect(await known.named('ops')).toMatchObject({ config: { url: 'https://x.example/of-the-file' } });
    expect(state.asked).toBe(0);
    expect(await known.list()).toMatchObject([{ origin: 'file' }]);
  });

  it('is else that of the ledger, opened, with the defaults of its channel and what all may have', async () => {
    const settings = { threshold: 'error', timeout: '3s', rate: '30/m', events: { log_gpu_oom: false } };
    const { known } = world([row('chat', [URL_FIELD], { settings, owner: 'ana' })]);
    expect(await known.named('chat')).toEqual({
      name: 'chat',
      type: 'post',
      kind: 'channel',
      config: { url: 'https://x.example/of-the-ledger', room: 'main' },
      enabled: true,
      patience: { timeout_ms: 3_000, max_attempts: 4, backoff_ms: 5_000 },
      threshold: 'error',
      rate: { count: 30, per_ms: 60_000 },
      events: { log_gpu_oom: false },
      owner: 'ana',
    });
  });

  it('that nobody has is missing, and says what to do', async () => {
    expect(await world([]).known.named('nobody')).toEqual({
      missing: 'no integration named nobody is configured: add it, or take it out of the routes',
    });
  });

  it('is asked for once in five seconds, then anew: a change is seen by then', async () => {
    const { state, known } = world([row('chat', [URL_FIELD])]);
    await Promise.all([known.named('chat'), known.named('chat'), known.named('chat')]);
    state.rows = [row('chat', [[['url'], 'https://y.example/moved']])];
    state.now += 4_999;
    expect(await known.named('chat')).toMatchObject({ config: { url: 'https://x.example/of-the-ledger' } });
    expect(state.asked).toBe(1);
    state.now += 1;
    expect(await known.named('chat')).toMatchObject({ config: { url: 'https://y.example/moved' } });
    expect(state.asked).toBe(2);
  });

  it('that is not known yet, or is asked for as it is now, is looked for at once', async () => {
    const { state, known } = world([]);
    expect(await known.named('chat')).toHaveProperty('missing');
    state.rows = [row('chat', [URL_FIELD])];
    expect(await known.named('chat')).toMatchObject({ name: 'chat' });
    state.rows = [row('chat', [[['url'], 'https://y.example/moved']])];
    expect(await known.named('chat', 'now')).toMatchObject({ config: { url: 'https://y.example/moved' } });
  });

  it('is asked for anew at once where it was changed here', async () => {
    const { state, known } = world([]);
    await known.named('chat');
    state.rows = [row('chat', [URL_FIELD])];
    known.forget();
    expect(await known.named('chat')).toMatchObject({ name: 'chat' });
  });

  it('of a ledger that is away is an error, and nothing is remembered of it', async () => {
    const { state, known } = world([row('chat', [URL_FIELD])]);
    state.fails = true;
    await expect(known.named('chat')).rejects.toThrow('away');
    state.fails = false;
    expect(await known.named('chat')).toMatchObject({ name: 'chat' });
  });

  it('is a secret to the log from when it is read', async () => {
    const { known, redactor } = world([row('chat', [URL_FIELD])]);
    expect(redactor.text('see https://x.example/of-the-ledger')).toContain('of-the-ledger');
    await known.named('chat');
    expect(redactor.text('see https://x.example/of-the-ledger')).not.toContain('of-the-ledger');
  });
});

describe('a row that cannot be used', () => {
  it.each<[string, StoredIntegration, string]>([
    ['that no key opens', row('chat', [], { secrets: 'v1.00000000.AAAA' }), 'no key opens its secrets'],
    [
      'whose box was another row’s',
      row('chat', [], { secrets: sealer.seal(JSON.stringify([URL_FIELD]), 'integrations/other/post') }),
      'no key opens its secrets',
    ],
    ['of a type that is not known', row('chat', [], { type: 'pigeon' }), 'type must be one of post, diary'],
    ['whose channel asks for more', row('chat', []), 'config.url is required'],
    [
      'with settings of another version',
      row('chat', [URL_FIELD], { settings: { volume: 11 } }),
      'volume is not a field',
    ],
  ])('%s says so, and harms no other', async (_words, broken, why) => {
    const { known } = world([broken, row('good', [URL_FIELD])]);
    expect(await known.named('chat')).toEqual({ missing: expect.stringContaining(why) });
    expect(await known.named('chat')).toEqual({
      missing: expect.stringContaining('the integration chat cannot be used'),
    });
    expect(await known.named('good')).toMatchObject({ name: 'good' });
    expect(await known.list()).toHaveLength(3);
  });

  it('for want of any key says what to set', async () => {
    const { known } = world([row('chat', [URL_FIELD])], { open: undefined });
    expect(await known.named('chat')).toEqual({ missing: expect.stringContaining('set TOCSIN_SECRET_KEYS') });
  });
});

describe('a name that the file does not have', () => {
  const NAMED = `escalations: { night: { levels: [ { notify: [chat] } ] } }
routes: [ { name: a, notify: [ops, chat], failover: { ops: chat } } ]
summaries: [ { name: daily, at: '18:00', notion: pages, notify: [chat] } ]
`;

  it('is collected with its place where the ledger is asked later', () => {
    expect(load(NAMED).unresolved).toEqual([
      { name: 'chat', place: 'line 2, escalations.night.levels[0].notify[0]', use: 'tell' },
      { name: 'chat', place: 'line 3, routes[0].notify[1]', use: 'tell' },
      { name: 'chat', place: 'line 3, routes[0].failover.ops', use: 'tell' },
      { name: 'pages', place: 'line 4, summaries[0].notion', use: 'write' },
      { name: 'chat', place: 'line 4, summaries[0].notify[0]', use: 'tell' },
    ]);
    expect(load('default: { notify: chat }').warnings).toEqual([]);
  });

  it('is a mistake where there is no ledger to ask, unless it is said to be stored', () => {
    expect(() => load('default: { notify: opx }', [])).toThrow('there is no integration opx: did you mean ops?');
    expect(() => load('default: { notify: chat }', [])).toThrow('there is no integration chat: there is ops');
    expect(load('default: { notify: chat }', ['chat']).unresolved).toMatchObject([{ name: 'chat' }]);
  });

  const found = (rows: { name: string; type: string }[], text = NAMED): string[] | string => {
    try {
      return checkNames(load(text), rows, registry);
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
  };

  it('is good where it is stored and of the right kind', () => {
    expect(
      found([
        { name: 'chat', type: 'post' },
        { name: 'pages', type: 'diary' },
      ]),
    ).toEqual([]);
  });

  it('in neither is a mistake at its line, with the nearest name of both', () => {
    expect(found([{ name: 'chart', type: 'post' }], 'default: { notify: chat }')).toBe(
      'the environment has 1 problem:\n  line 2, default.notify[0]: chat is neither in the file nor stored: did you mean chart?',
    );
    expect(found([], 'default: { notify: nobody }')).toContain(
      'nobody is neither in the file nor stored: there is ops',
    );
  });

  it('that is stored and of the other kind is a mistake as well', () => {
    expect(
      found([
        { name: 'chat', type: 'diary' },
        { name: 'pages', type: 'post' },
      ]),
    ).toMatch(
      /line 3, routes\[0\]\.notify\[1\]: chat is of type diary, which keeps daily pages[\s\S]*line 4, summaries\[0\]\.notion: pages is of type post, which keeps no daily pages/,
    );
  });

  it('that both have is the file’s, with a warning', () => {
    expect(found([{ name: 'ops', type: 'post' }], '')).toEqual([
      'ops is in the configuration and stored as well: the configuration is what counts',
    ]);
  });

  it('brings its own patience into the routes once it is known', () => {
    const { routing } = load('default: { notify: [ops, chat] }\nroutes: [ { name: a, notify: chat } ]');
    const slow = { timeout_ms: 60_000, backoff_ms: 1_000 };
    const known = withPatience(routing, { patienceOf: (name) => (name === 'chat' ? slow : undefined) });
    expect(known.fallback.policy.patience).toEqual({ chat: slow });
    expect(known.routes[0]?.policy.patience).toEqual({ chat: slow });
  });
});
