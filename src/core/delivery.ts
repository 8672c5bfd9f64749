/** How a delivery stands, in the words that people read, and why one is dead that no attempt ended. */
import type { Json } from './event.ts';
import { masked } from './privacy.ts';

export const DELIVERY_STATES = {
  pending: 'decided, and no attempt has begun: it waits for its turn under a rate, or to be sent again by hand',
  sending: 'an attempt is under way',
  sent: 'the provider took it and passes it on (mail, telephone networks); whether it arrived is not known, or not yet',
  delivered: 'it arrived: the receiver itself took it, or the provider said later that it had',
  read: 'the provider said that somebody has read it',
  failed: 'the last attempt failed, and another follows by itself',
  dead: 'it failed for good, with the reason in `failure`; it can be sent again by hand',
  skipped: 'it was decided not to send it, with the reason in `detail`',
  superseded: 'a newer notice carries its news (`superseded_by`), or an answer came before it was sent',
} as const;
export type DeliveryState = keyof typeof DELIVERY_STATES;

/** What became of a message for one of those who were to get it. */
export interface Recipient {
  /** Masked: `o•••@example.com`. */
  address: string;
  outcome: 'accepted' | 'refused';
  /** The provider's reply where it refused: an SMTP status. */
  code?: string;
}

/** Of each recipient that the ref of a delivery names, in the order of the ref; none where the channel keeps none. */
export function recipientsIn(ref: { [key: string]: Json } | null): Recipient[] {
  const listOf = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
  const accepted = listOf(ref?.accepted).flatMap((address): Recipient[] =>
    typeof address === 'string' ? [{ address: masked(address), outcome: 'accepted' }] : [],
  );
  const refused = listOf(ref?.refused).flatMap((one): Recipient[] => {
    if (typeof one !== 'object' || one === null || Array.isArray(one) || typeof one.address !== 'string') return [];
    // 0 is a refusal without a reply that is known.
    return [{ address: masked(one.address), outcome: 'refused', ...(one.code ? { code: String(one.code) } : {}) }];
  });
  return [...accepted, ...refused];
}

/** Why a delivery is dead, where it is none of the failures that an attempt can have. */
export const DEATHS = {
  disabled: 'its integration is disabled after refusing or failing too often',
  cancelled: 'an operator cancelled it',
  answer_lost: 'the answer to an attempt was lost, and a repeat could have been a second message (on_ambiguous: drop)',
  not_arrived: 'the provider took it, and said later that it did not arrive',
} as const;
export type Death = keyof typeof DEATHS;

/** The ledger's own words: `delivered` is whatever a provider took, `retrying` whatever waits for an attempt. */
export type LedgerStatus = 'sending' | 'retrying' | 'delivered' | 'dead' | 'superseded' | 'skipped';

/** What a provider says of a message after it took it; `awaited` until then. */
export type Receipt = 'awaited' | 'delivered' | 'read';

export interface Standing {
  status: LedgerStatus;
  attempts: number;
  receipt?: Receipt | null;
}

/** The state that people are shown. */
export function stateOf({ status, attempts, receipt }: Standing): DeliveryState {
  switch (status) {
    case 'retrying':
      return attempts === 0 ? 'pending' : 'failed';
    case 'delivered':
      return receipt === 'awaited' ? 'sent' : receipt === 'read' ? 'read' : 'delivered';
    case 'sending':
    case 'dead':
    case 'superseded':
    case 'skipped':
      return status;
    default:
      return status satisfies never;
  }
}

/** Words that lists were asked with before there were nine states; they go on finding what they found. */
export const OLDER_WORDS = { retrying: ['pending', 'failed'] } as const satisfies Record<string, DeliveryState[]>;
export type DeliveryWord = DeliveryState | keyof typeof OLDER_WORDS;

export const statesOf = (word: DeliveryWord): readonly DeliveryState[] =>
  word === 'retrying' ? OLDER_WORDS[word] : [word];
