import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { command } from '../../src/ledger/answers.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { closeIncident } from '../../src/ledger/state.ts';
import { answerByToken, askedBy, createTokens } from '../../src/ledger/tokens.ts';
import { one, opened, openTestLedger } from '../support/ledger.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const [newKey, oldKey] = [randomBytes(32), randomBytes(32)];
const tokens = createTokens([newKey, oldKey]);
const now = new Date('2026-01-15T09:00:00Z');
const inHours = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000);
const ana = () => ({ by: 'ana', key: 'channel:chat' });
const ben = () => ({ by: 'ben', key: 'channel:chat' });

/** An open incident with a delivery to `chat`. */
async function told(): Promise<{ incident: string; delivery: number }> {
  const { batch } = await opened(ledger);
  const { number } = await one<{ number: number }>(
    ledger,
    `insert into deliveries (key, incident, target, reason, status, scheduled_at) values ($1, $2, 'chat', 'group_now', 'delivered', now()) returning number`,
    [`${batch.incident}/group_now/1/chat`, batch.incident],
  );
  return { incident: batch.incident, delivery: number };
}
const standing = (incident: string) =>
  one<{ status: string; answer_rev: number }>(ledger, 'select status, answer_rev from incidents where id = $1', [
    incident,
  ]);

describe('an answer token', () => {
  it('fits a Telegram button, and says nothing but what it was signed for', () => {
    const token = tokens.sign(281_474_976_710_655, 'snooze', now);
    expect(token).toMatch(/^[\w-]{1,60}$/);
    expect(tokens.read(token)).toMatchObject({ delivery: 281_474_976_710_655, action: 'snooze' });
  });

  it('that was changed in any place is none of ours', () => {
    const token = tokens.sign(7, 'ack', now);
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      expect(tokens.read(token.slice(0, at) + other + token.slice(at + 1)), `place ${at}`).toBeUndefined();
    }
    for (const made of ['', 'x', `${token}A`, token.slice(1), ' '.repeat(36)])
      expect(tokens.read(made)).toBeUndefined();
  });

  it('outlives a change of keys, as long as the old one is in the list', () => {
    const old = createTokens([oldKey]).sign(7, 'ack', now);
    expect(tokens.read(old)).toMatchObject({ delivery: 7 });
    expect(createTokens([newKey]).read(old)).toBeUndefined();
    expect(createTokens([]).read(old)).toBeUndefined();
  });

  it('is good for 75 hours', async () => {
    const { delivery } = await told();
    const token = tokens.sign(delivery, 'ack', now);
    expect(await askedBy(ledger, tokens, token, inHours(74.9))).toMatchObject({ action: 'ack' });
    expect(await askedBy(ledger, tokens, token, inHours(75))).toBe('expired');
    expect(await answerByToken(ledger, tokens, token, ana, inHours(75))).toEqual({ outcome: 'expired' });
  });

  it('can be looked at as often as anybody likes, which answers nothing', async () => {
    const { incident, delivery } = await told();
    const token = tokens.sign(delivery, 'ack', now);
    for (let n = 0; n < 3; n++) {
      expect(await askedBy(ledger, tokens, token, now)).toEqual({
        action: 'ack',
        incident,
        target: 'chat',
        title: expect.any(String),
        status: 'open',
      });
    }
    expect(await standing(incident)).toEqual({ status: 'open', answer_rev: 0 });
  });

  it('answers once: used again it says by whom, also after the answer was taken back', async () => {
    const { incident, delivery } = await told();
    const token = tokens.sign(delivery, 'ack', now);
    expect(await answerByToken(ledger, tokens, token, ana, now)).toMatchObject({ outcome: 'done', by: 'ana' });
    await command(ledger, incident, { kind: 'unack' }, ben());
    expect(await answerByToken(ledger, tokens, token, ben, now)).toMatchObject({
      outcome: 'used',
      by: 'ana',
      incident,
    });
    expect(await askedBy(ledger, tokens, token, now)).toMatchObject({ used: { by: 'ana' } });
    expect(await standing(incident)).toEqual({ status: 'open', answer_rev: 2 });
  });

  it('pressed twice at once answers once', async () => {
    const { incident, delivery } = await told();
    const token = tokens.sign(delivery, 'snooze', now);
    const outcomes = await Promise.all([ana, ben].map((who) => answerByToken(ledger, tokens, token, who, now)));
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['done', 'used']);
    expect(await standing(incident)).toEqual({ status: 'snoozed', answer_rev: 1 });
  });

  it('that changed nothing is not used up: who was first is told', async () => {
    const { incident, delivery } = await told();
    await command(ledger, incident, { kind: 'ack' }, ben());
    const token = tokens.sign(delivery, 'ack', now);
    expect(await answerByToken(ledger, tokens, token, ana, now)).toMatchObject({ outcome: 'already', by: 'ben' });
    await command(ledger, incident, { kind: 'unack' }, ben());
    expect(await answerByToken(ledger, tokens, token, ana, now)).toMatchObject({ outcome: 'done', by: 'ana' });
  });

  it('for another action of the same message is another token', async () => {
    const { incident, delivery } = await told();
    for (const action of ['ack', 'resolve'] as const)
      expect(await answerByToken(ledger, tokens, tokens.sign(delivery, action, now), ana, now)).toMatchObject({
        outcome: 'done',
      });
    expect(await standing(incident)).toEqual({ status: 'resolved', answer_rev: 2 });
  });

  it('for an incident that is closed, or a delivery that is gone, changes nothing and says so', async () => {
    const { incident, delivery } = await told();
    expect(await closeIncident(ledger, incident, 1, 'resolved')).toBe('closed');
    const token = tokens.sign(delivery, 'ack', now);
    expect(await answerByToken(ledger, tokens, token, ana, now)).toMatchObject({ outcome: 'closed' });
    expect(await answerByToken(ledger, tokens, tokens.sign(delivery + 1, 'ack', now), ana, now)).toEqual({
      outcome: 'unknown',
    });
  });
});
