/** Integrations that refuse: nothing more begins but a probe, an operator or a success takes them back, and the good path asks no more. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listAudit } from '../../src/ledger/audit.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { beginAttempt, recordAttempt } from '../../src/ledger/deliveries.ts';
import { enableIntegration, markHealthTold, noteFailure, untoldHealth, unwell } from '../../src/ledger/health.ts';
import { attempted, begin, deliveryOf, notice } from '../support/deliveries.ts';
import { one, openTestLedger } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const ana = { by: 'ana', key: 'k1' };
const refusal = { channel: 'slack', failure: 'auth', code: '401', dead: true };
const refuse = () => noteFailure(ledger, 'chat', refusal, 'HTTP 401');
async function disabled(): Promise<void> {
  await refuse();
  await refuse();
  expect(await refuse()).toBe('disabled');
}
/** So much time goes by for the probes. */
const later = (minutes: number) =>
  ledger.query(`update integration_health set probe_at = probe_at - $1 * interval '1 minute'`, [minutes]);

describe('an integration that refuses', () => {
  it('is told of once, with the third refusal', async () => {
    expect([await refuse(), await refuse(), await refuse(), await refuse()]).toEqual([
      undefined,
      undefined,
      'disabled',
      undefined,
    ]);
    expect(await untoldHealth(ledger)).toMatchObject([
      {
        name: 'chat',
        told: 'ok',
        health: { state: 'disabled', because: 'refused', failure: 'auth', detail: 'HTTP 401' },
      },
    ]);
    await markHealthTold(ledger, 'chat', 'disabled');
    expect(await untoldHealth(ledger)).toEqual([]);
  });

  it('is not disabled where a delivery succeeds in between', async () => {
    await refuse();
    await refuse();
    await attempted(ledger);
    expect([await refuse(), await refuse()]).toEqual([undefined, undefined]);
    expect((await unwell(ledger)).size).toBe(0);
  });

  it('is counted once by many workers at once', async () => {
    const states = await Promise.all(Array.from({ length: 9 }, refuse));
    expect(states.filter((state) => state === 'disabled')).toHaveLength(1);
    expect(await one(ledger, 'select refused from integration_health')).toEqual({ refused: 9 });
  });
});

describe('a delivery to a disabled integration', () => {
  it('is dead without an attempt, and says since when, why, and what to do', async () => {
    await disabled();
    const sent = await notice(ledger);
    const begun = await begin(ledger, sent);
    expect(begun).toMatchObject({ outcome: 'dead', because: 'disabled' });
    expect(await deliveryOf(ledger, sent.out.key)).toMatchObject({
      status: 'dead',
      failure: 'disabled',
      attempts: 0,
      detail: expect.stringMatching(/^chat is disabled since 2\d{3}-.*Z: it refused us.*\(auth: HTTP 401\).*enable/),
    });
    expect(await ledger.query('select 1 from attempts')).toEqual([]);
    expect(await begin(ledger, sent)).toEqual({ outcome: 'dead' });
  });

  it('takes with it what it had overtaken: that ends superseded by it', async () => {
    const older = await notice(ledger);
    await attempted(ledger, { status: 'retrying', reason: 'server' }, older);
    await disabled();
    const newer = { ...older, out: { ...older.out, key: `${older.incident}/newer`, overtook: [older.out.key] } };
    expect(await begin(ledger, newer)).toMatchObject({ outcome: 'dead' });
    expect(await deliveryOf(ledger, older.out.key)).toMatchObject({
      status: 'superseded',
      superseded_by: newer.out.key,
    });
  });

  it('is let through every fifteen minutes, one at a time', async () => {
    await disabled();
    await later(14);
    expect(await begin(ledger, await notice(ledger))).toMatchObject({ outcome: 'dead' });
    await later(1);
    const outcomes = [];
    for (let asked = 0; asked < 4; asked++) outcomes.push((await begin(ledger, await notice(ledger))).outcome);
    expect(outcomes).toEqual(['go', 'dead', 'dead', 'dead']);
  });

  it('that is let through and succeeds enables it; one that fails does not', async () => {
    await disabled();
    await markHealthTold(ledger, 'chat', 'disabled');
    await later(15);
    const probe = await notice(ledger);
    await attempted(ledger, { status: 'dead', reason: 'auth' }, probe);
    expect((await unwell(ledger)).get('chat')).toMatchObject({ state: 'disabled' });
    await later(15);
    await attempted(ledger);
    expect((await unwell(ledger)).size).toBe(0);
    expect(await untoldHealth(ledger)).toMatchObject([{ name: 'chat', told: 'disabled', health: { state: 'ok' } }]);
    expect(await begin(ledger, await notice(ledger))).toMatchObject({ outcome: 'go' });
  });

  it('goes to it again at once when an operator enables it, and the audit says who', async () => {
    await disabled();
    expect(await enableIntegration(ledger, 'chat', ana)).toBe(true);
    expect(await enableIntegration(ledger, 'chat', ana)).toBe(false);
    expect((await listAudit(ledger, { limit: 9 })).audit).toMatchObject([
      { actor: 'ana', action: 'integration.enable', object: 'chat', detail: { state: 'disabled', because: 'refused' } },
    ]);
    expect(await begin(ledger, await notice(ledger))).toMatchObject({ outcome: 'go' });
  });

  it('of another name is none of its business', async () => {
    await noteFailure(ledger, 'mail', { channel: 'webhook', failure: 'gone', code: '410', dead: true }, 'HTTP 410');
    expect((await unwell(ledger)).get('mail')).toMatchObject({ state: 'disabled', because: 'gone' });
    expect(await begin(ledger, await notice(ledger))).toMatchObject({ outcome: 'go' });
  });
});

describe('a delivery that goes well', () => {
  it('asks the ledger not once more for the health: one call to begin it, one statement to record it', async () => {
    const asked: string[] = [];
    const watched: Ledger = {
      ...ledger,
      query: (sql, params) => {
        asked.push('query');
        return ledger.query(sql, params);
      },
      call: (name, args) => {
        asked.push(name);
        return ledger.call(name, args);
      },
    };
    const { incident, out, snapshot } = await notice(ledger);
    const begun = await beginAttempt(watched, { incident, target: 'chat', channel: 'stdout', out, snapshot });
    if (begun.outcome !== 'go') throw new Error('it did not begin');
    const { attempt } = begun;
    await recordAttempt(watched, {
      incident,
      target: 'chat',
      delivery: out.key,
      attempt,
      status: 'delivered',
      counted: true,
    });
    expect(asked).toEqual(['beginAttempt', 'query']);
    expect(await ledger.query('select 1 from integration_health')).toEqual([]);
  });
});
