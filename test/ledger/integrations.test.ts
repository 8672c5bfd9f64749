/** Integrations that the ledger keeps: made once, changed by who saw the last change, sealed anew; each with its audit row. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { boundTo, type WrittenIntegration } from '../../src/core/stored.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import {
  addIntegration,
  changeIntegration,
  removeIntegration,
  resealIntegrations,
  storedIntegrations,
} from '../../src/ledger/integrations.ts';
import { createSealer, newSealingKey } from '../../src/ledger/sealing.ts';
import { one, openTestLedger } from '../support/ledger.ts';

const WHO = { by: 'ana', key: 'k1', request_id: 'r1' };
const [OLD, YOUNG] = [newSealingKey(), newSealingKey()];
const old = createSealer(OLD);

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const row = (name: string, more: Partial<WrittenIntegration> = {}): WrittenIntegration => ({
  name,
  type: 'webhook',
  owner: null,
  config: { format: 'tocsin' },
  secrets: old.seal(`the secret of ${name}`, boundTo({ name, type: 'webhook' })),
  settings: { threshold: 'error' },
  ...more,
});
const add = (name: string, more: Partial<WrittenIntegration> = {}) =>
  addIntegration(ledger, row(name, more), { fields: ['config.url'] }, WHO);
const change = (name: string, revision: number, more: Partial<WrittenIntegration> = {}, cleared: string[] = []) =>
  changeIntegration(ledger, row(name, more), { revision, fields: ['threshold'], cleared }, WHO);
const audited = async () =>
  (
    await ledger.query<{ action: string; object: string; detail: object }>(
      'select action, object, detail from audit order by seq',
    )
  ).map(({ action, object, detail }) => [action, object, detail]);

describe('a stored integration', () => {
  it('is as it was written, with who made it and when', async () => {
    const made = await add('ops', { owner: 'ana' });
    expect(made).toMatchObject({
      ...row('ops', { owner: 'ana' }),
      secrets: made?.secrets,
      made_by: 'ana',
      changed_by: 'ana',
      revision: 1,
    });
    expect(made?.made_at).toBeInstanceOf(Date);
    expect(await storedIntegrations(ledger)).toEqual([made]);
  });

  it('is made once: its name is then taken, and the audit has one row, with names of fields alone', async () => {
    await add('ops');
    expect(await add('ops', { owner: 'eve' })).toBeUndefined();
    expect(await storedIntegrations(ledger)).toMatchObject([{ name: 'ops', owner: null }]);
    expect(await audited()).toEqual([
      ['integration.make', 'ops', { type: 'webhook', fields: ['config.url'], key: 'k1' }],
    ]);
  });

  it('is changed by who has seen its last revision, and by nobody else', async () => {
    await add('ops');
    expect(await change('ops', 1, { settings: {} }, ['secret'])).toMatchObject({ revision: 2, settings: {} });
    expect(await change('ops', 1, { settings: { enabled: false } })).toBeUndefined();
    expect(await change('gone', 1)).toBeUndefined();
    expect(await storedIntegrations(ledger)).toMatchObject([{ revision: 2, settings: {} }]);
    expect((await audited()).slice(1)).toEqual([
      ['integration.change', 'ops', { fields: ['threshold'], cleared: ['secret'], key: 'k1' }],
    ]);
  });

  it('of which two are changed at once is changed once', async () => {
    await add('ops');
    const both = await Promise.all([change('ops', 1, { owner: 'a' }), change('ops', 1, { owner: 'b' })]);
    expect(both.filter((changed) => changed !== undefined)).toHaveLength(1);
    expect((await one<{ revision: number }>(ledger, 'select revision from integrations')).revision).toBe(2);
  });

  it('never changes its type', async () => {
    await add('ops');
    expect(await change('ops', 1, { type: 'slack' })).toBeUndefined();
  });

  it('is removed with its budget, and then is not there', async () => {
    await add('ops');
    await ledger.query(`insert into rates (integration, turns) values ('ops', array[now()]), ('other', array[now()])`);
    expect(await removeIntegration(ledger, 'ops', 2, WHO)).toBe(false);
    expect(await removeIntegration(ledger, 'ops', 1, WHO)).toBe(true);
    expect(await removeIntegration(ledger, 'ops', 1, WHO)).toBe(false);
    expect(await storedIntegrations(ledger)).toEqual([]);
    expect(await ledger.query('select integration from rates')).toEqual([{ integration: 'other' }]);
    expect((await audited()).at(-1)).toEqual(['integration.remove', 'ops', { type: 'webhook', key: 'k1' }]);
  });
});

describe('sealing anew', () => {
  it('takes the first key of the list for every box, keeps what is in them, and is done once', async () => {
    for (const name of ['a', 'b']) await add(name);
    await add('bare', { secrets: null });
    const both = createSealer(`${YOUNG} ${OLD}`);
    expect(await resealIntegrations(ledger, both, WHO)).toEqual({ sealed: 2, already: 0, unopened: [] });
    expect(await resealIntegrations(ledger, both, WHO)).toEqual({ sealed: 0, already: 2, unopened: [] });
    const young = createSealer(YOUNG);
    for (const { name, type, secrets, revision } of await storedIntegrations(ledger)) {
      expect(revision).toBe(1);
      expect(secrets && young.open(secrets, boundTo({ name, type }))).toBe(
        secrets === null ? null : `the secret of ${name}`,
      );
    }
    expect((await audited()).filter(([action]) => action === 'integrations.reseal')).toEqual([
      ['integrations.reseal', 'integrations', { sealed: 2, key: 'k1' }],
    ]);
  });

  it('names what no key opens, leaves it as it is, and does the others', async () => {
    await add('good');
    await add('lost', { secrets: createSealer(newSealingKey()).seal('x', 'integrations/lost/webhook') });
    await add('moved', { secrets: old.seal('x', 'integrations/good/webhook') });
    const before = await ledger.query(`select name, secrets from integrations where name <> 'good' order by name`);
    expect(await resealIntegrations(ledger, createSealer(`${YOUNG} ${OLD}`), WHO)).toEqual({
      sealed: 1,
      already: 0,
      unopened: ['lost', 'moved'],
    });
    expect(await ledger.query(`select name, secrets from integrations where name <> 'good' order by name`)).toEqual(
      before,
    );
  });
});
