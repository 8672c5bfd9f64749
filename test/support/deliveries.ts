/** A notice on its way to `chat`, as the workflow and its activity have it, for tests of the ledger. */
import { type Incident, type Outgoing, openIncident, withBatch } from '../../src/core/incident.ts';
import type { Reason } from '../../src/core/notice.ts';
import { withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import type { Claim } from '../../src/ledger/claim.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { type AttemptEnd, beginAttempt, recordAttempt } from '../../src/ledger/deliveries.ts';
import { beginRedelivery, type HandEnd, recordRedelivery } from '../../src/ledger/sends.ts';
import { one, opened } from './ledger.ts';

export interface OnItsWay {
  incident: string;
  out: Outgoing;
  snapshot: Incident;
}

/** The first notice of an incident of its own, or another of one that is open. */
export async function notice(ledger: Ledger, reason: Reason = 'group_now', claim?: Claim): Promise<OnItsWay> {
  const { opening, batch } = claim ?? (await opened(ledger));
  const folded = withBatch(openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at), batch);
  const snapshot = withRunning(withTelling(folded, { reason, targets: ['chat'] }, Date.now()), ['chat']);
  const out = snapshot.targets.chat?.current;
  if (!out) throw new Error('nothing to send');
  return { incident: opening.id, out, snapshot };
}

export const begin = (ledger: Ledger, { incident, out, snapshot }: OnItsWay) =>
  beginAttempt(ledger, { incident, target: 'chat', channel: 'stdout', out, snapshot });

/** One attempt from its beginning to its end; the delivery's key. */
export async function attempted(ledger: Ledger, end: Partial<AttemptEnd> = {}, given?: OnItsWay): Promise<string> {
  const sent = given ?? (await notice(ledger));
  const answer = await begin(ledger, sent);
  if (answer.outcome !== 'go') throw new Error(`it did not begin: ${answer.outcome}`);
  await recordAttempt(ledger, {
    incident: sent.incident,
    target: 'chat',
    delivery: sent.out.key,
    attempt: answer.attempt,
    status: 'delivered',
    counted: true,
    ...end,
  });
  return sent.out.key;
}

/** One attempt by hand from its beginning to its end. */
export async function attemptedByHand(
  ledger: Ledger,
  delivery: { key: string; incident: string; target: string },
  end: Omit<HandEnd, 'attempt'>,
): Promise<void> {
  const begun = await beginRedelivery(ledger, { send: 0, key: delivery.key });
  if (begun.outcome !== 'go') throw new Error(`it did not begin: ${begun.outcome}`);
  await recordRedelivery(ledger, delivery, { attempt: begun.attempt, ...end });
}

export const deliveryOf = (ledger: Ledger, key: string) =>
  one<{
    id: number;
    key: string;
    target: string;
    channel: string | null;
    status: string;
    attempts: number;
    receipt: string | null;
    failure: string | null;
    detail: string | null;
    superseded_by: string | null;
    redirected_from: number | null;
  }>(
    ledger,
    'select number as id, key, target, channel, status, attempts, receipt, failure, detail, superseded_by, redirected_from from deliveries where key = $1',
    [key],
  );
