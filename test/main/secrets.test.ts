/** Keys for stored secrets: made beside the embedded ledger, taken from the environment, rotated; and a start that asks the ledger for names. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boundTo } from '../../src/core/stored.ts';
import { openLedger } from '../../src/ledger/db.ts';
import { addIntegration, storedIntegrations } from '../../src/ledger/integrations.ts';
import { createSealer, newSealingKey } from '../../src/ledger/sealing.ts';
import { type Foundation, layFoundation } from '../../src/main/foundation.ts';
import { secretKeysFor } from '../../src/main/secret-keys.ts';
import { secretsCommand } from '../../src/main/secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'tocsin-secrets-'));
const dir = join(folder, 'state');
const configPath = join(folder, 'tocsin.yaml');
const keyFile = join(dir, 'secrets.keys');
const env = { TOCSIN_STATE_DIR: dir, LOG_LEVEL: 'silent' };
const WHO = { by: 'ana', key: 'k1' };
const URL_OF_CHAT = 'https://example.com/canary-of-chat';
const BARE = 'integrations: { terminal: { type: stdout } }\n';

/** As a start begins: the configuration, the ledger, and what both have. */
async function laid(config: string, more: { env?: Record<string, string>; stateDir?: string | undefined } = {}) {
  writeFileSync(configPath, config);
  return layFoundation({
    env: { ...env, ...more.env },
    configPath,
    ledger: { folder: join(dir, 'ledger') },
    level: 'silent',
    stateDir: 'stateDir' in more ? more.stateDir : dir,
  });
}

async function during<T>(foundation: Promise<Foundation>, work: (one: Foundation) => Promise<T>): Promise<T> {
  const laidOut = await foundation;
  try {
    return await work(laidOut);
  } finally {
    await laidOut.close();
  }
}

async function run(what: string | undefined, more: Record<string, string> = {}) {
  const lines: string[] = [];
  const code = await secretsCommand(what, { env: { ...env, ...more }, say: (line) => void lines.push(line) });
  return { code, said: lines.join('\n'), lines };
}

const box = async () => {
  const ledger = await openLedger({ folder: join(dir, 'ledger') });
  const [row] = await storedIntegrations(ledger);
  await ledger.close();
  return row?.secrets ?? '';
};

beforeAll(async () => {
  mkdirSync(dir);
  await during(laid(BARE), async ({ ledger, sealer, integrations }) => {
    const row = { name: 'chat', type: 'webhook', owner: null, config: {}, settings: { timeout: '20s' } };
    const secrets = sealer?.seal(JSON.stringify([[['url'], URL_OF_CHAT]]), boundTo(row)) ?? null;
    await addIntegration(ledger, { ...row, secrets }, { fields: [] }, WHO);
    integrations.forget();
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the keys for stored secrets', () => {
  it('are made once in the state folder, for its owner alone', async () => {
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    const before = readFileSync(keyFile, 'utf8');
    await during(laid(BARE), async () => undefined);
    expect(readFileSync(keyFile, 'utf8')).toBe(before);
  });

  it('are those of the environment where it gives some, and need no folder', () => {
    const [one, other] = [newSealingKey(), newSealingKey()];
    expect(secretKeysFor({ TOCSIN_SECRET_KEYS: `${one} ${other}` }, undefined)?.keys).toEqual([one, other]);
    const file = join(folder, 'mounted');
    writeFileSync(file, `${one}\n${other}\n`, { mode: 0o600 });
    expect(secretKeysFor({ TOCSIN_SECRET_KEYS_FILE: file }, dir)?.keys).toEqual([one, other]);
    expect(secretKeysFor({}, undefined)).toBeUndefined();
    expect(secretKeysFor({}, folder)).toBeUndefined();
  });

  it('that are none are refused by the name of where they stand, and never shown', () => {
    expect(() => secretKeysFor({ TOCSIN_SECRET_KEYS: 'canary' }, undefined)).toThrow(
      /^TOCSIN_SECRET_KEYS has no key in place 1/,
    );
    expect(() => secretKeysFor({ TOCSIN_SECRET_KEYS: 'canary' }, undefined)).not.toThrow('canary');
  });

  it('are secrets to the log, as is what they seal, from the start', async () => {
    const key = readFileSync(keyFile, 'utf8').trim();
    await during(laid(BARE), async ({ redactor }) => {
      const text = redactor.text(`${key} ${URL_OF_CHAT}`);
      expect(text).not.toContain(key);
      expect(text).not.toContain('canary');
    });
  });
});

describe('a start', () => {
  it('takes names that are stored, with their own patience, and finds them open', async () => {
    await during(laid(`${BARE}default: { notify: [terminal, chat] }\n`), async ({ config, integrations }) => {
      expect(config.unresolved).toMatchObject([{ name: 'chat', place: 'line 2, default.notify[1]' }]);
      expect(config.routing.fallback.policy.patience).toMatchObject({ chat: { timeout_ms: 20_000 } });
      expect(await integrations.named('chat')).toMatchObject({ config: { url: URL_OF_CHAT } });
    });
  });

  it('fails where a name is in neither, says so, and leaves the ledger to the next', async () => {
    await expect(laid(`${BARE}default: { notify: [chatt] }\n`)).rejects.toThrow(
      'line 2, default.notify[0]: chatt is neither in the file nor stored: did you mean chat?',
    );
    await during(laid(BARE), async () => undefined);
  });

  it('warns where a name is in both, and takes the file’s', async () => {
    const both = 'integrations: { terminal: { type: stdout }, chat: { type: stdout } }\n';
    await during(laid(both), async ({ config, integrations }) => {
      expect(config.warnings).toContainEqual(
        expect.stringContaining('chat is in the configuration and stored as well'),
      );
      expect(await integrations.named('chat')).toMatchObject({ type: 'stdout' });
    });
  });

  it('without the key starts all the same, and what it cannot open says what to set', async () => {
    await during(
      laid(`${BARE}default: { notify: [terminal, chat] }\n`, { stateDir: undefined }),
      async ({ integrations }) => {
        expect(await integrations.named('chat')).toEqual({
          missing: expect.stringContaining('TOCSIN_SECRET_KEYS_FILE'),
        });
        expect(await integrations.named('terminal')).toMatchObject({ type: 'stdout' });
      },
    );
  });

  it('with another key names what it cannot open, and starts', async () => {
    const other = { TOCSIN_SECRET_KEYS: newSealingKey() };
    await during(laid(BARE, { env: other }), async ({ integrations }) => {
      expect(await integrations.named('chat')).toEqual({
        missing: expect.stringContaining('no key opens its secrets'),
      });
    });
  });
});

describe('tocsin secrets', () => {
  it('new-key prints a key and nothing else', async () => {
    const { code, lines } = await run('new-key');
    expect([code, lines.length]).toEqual([0, 1]);
    expect(() => createSealer(lines[0] ?? '')).not.toThrow();
  });

  it('rotate seals anew with the first key, so that the old one can go', async () => {
    const old = readFileSync(keyFile, 'utf8');
    const [young = ''] = (await run('new-key')).lines;
    writeFileSync(keyFile, `${young}\n${old}`, { mode: 0o600 });
    const before = await box();
    expect(await run('rotate')).toMatchObject({
      code: 0,
      said: expect.stringMatching(/anew with the first key: 1; were so before: 0/),
    });
    expect(await box()).not.toBe(before);
    expect(await run('rotate')).toMatchObject({
      code: 0,
      said: expect.stringContaining('anew with the first key: 0; were so before: 1'),
    });
    writeFileSync(keyFile, `${young}\n`, { mode: 0o600 });
    await during(laid(BARE), async ({ integrations }) => {
      expect(await integrations.named('chat')).toMatchObject({ config: { url: URL_OF_CHAT } });
    });
  });

  it('rotate with a list that does not open something names it, and ends with 1', async () => {
    const before = await box();
    expect(await run('rotate', { TOCSIN_SECRET_KEYS: newSealingKey() })).toMatchObject({
      code: 1,
      said: expect.stringContaining('no key opens the secrets of chat'),
    });
    expect(await box()).toBe(before);
  });

  it('rotate without any key says what to set; anything else says what there is', async () => {
    await expect(run('rotate', { TOCSIN_STATE_DIR: join(folder, 'nowhere') })).rejects.toThrow('TOCSIN_SECRET_KEYS');
    await expect(run(undefined)).rejects.toThrow('tocsin secrets new-key, or tocsin secrets rotate');
  });
});
