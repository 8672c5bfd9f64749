/** What arrives at the ledger: events with what the routing decided of them, before anything is looked up. */
import { type Event, identityOf, labelsOf } from '../../core/event.ts';
import type { Owned } from '../../core/owner.ts';
import type { Policy } from '../../core/policy.ts';
import { decide, inhibits, type Routing, type StoredDecision, storedDecision } from '../../core/route.ts';
import type { Silence } from '../../core/silence.ts';
import { digest } from '../identity.ts';
import type { Effect, Known } from './effect.ts';

/** An incident that an event joins, by its grouping key. */
export interface Join {
  /** The route's name; of a resolve that follows its alert, none. */
  route: string;
  key: string;
  words: string;
  severity: string;
  policy: NamedPolicy | null;
  lifecycle: boolean;
}

/** A route that takes the event and tells nobody now. */
export interface Quiet {
  route: string;
  outcome: 'muted' | 'inhibited' | 'silenced';
  /** Ids of silences, or the fingerprint of the alert that inhibits it. */
  by: string[];
  why: string;
  join: Pick<Join, 'key' | 'severity'>;
}

/** What the ledger's side asks of an event. The rest of it goes there as a text, which nobody reads on the way. */
export type Facts = Pick<
  Event,
  'source' | 'id' | 'type' | 'status' | 'title' | 'service' | 'dedup_key' | 'occurred_at' | 'as_of' | 'expires_at'
>;

export interface Done {
  route: string;
  key: string;
  effect: Effect;
}

/** An event with what the routing says of it: all that the ledger's side needs, and JSON. */
export interface Arrival {
  event: Facts;
  /** The number of its row, which is there or will be. */
  seq: number;
  fingerprint: string;
  decision: DecisionText;
  /** What it does to which incident; where it was kept before, after what it did then. */
  effects: Done[];
  joins: Join[];
  /** What it would join, were it not held back. */
  quiet: Quiet[];
  /** Where it could keep others quiet: what they are compared with. */
  inhibitor: Known['inhibitor'];
}

/** A policy as a row names it: by the digest of its text. A route's own is the same object for every event. */
export interface NamedPolicy {
  id: string;
  text: string;
}

/** A StoredDecision, as JSON: the same object for all of which the same was decided. */
export interface DecisionText {
  text: string;
}

/** What the routing says of an event. None of it is the event's own: of others like it, it says the same. */
export type Judged = Pick<Arrival, 'joins' | 'quiet'> & { decision: StoredDecision };

/** An event as it was decided, whole. */
export type Decided = Judged & Pick<Arrival, 'fingerprint' | 'inhibitor'> & { event: Event };

export function createPolicyNames(): (policy: Policy) => NamedPolicy {
  const names = new WeakMap<Policy, NamedPolicy>();
  return (policy) => {
    const known = names.get(policy);
    if (known) return known;
    const text = JSON.stringify(policy);
    const named = { id: digest(text), text };
    names.set(policy, named);
    return named;
  };
}

/** What the routing decides of an event, at the moment `now`. */
export function judge(
  event: Event,
  routing: Routing,
  firing: Parameters<typeof decide>[2],
  now: Date,
  policyOf: (policy: Policy) => NamedPolicy,
  known: { owned?: Owned | undefined; silences?: readonly Silence[] } = {},
): Judged {
  const decision = decide(event, routing, firing, now, known);
  const joins = decision.routes.flatMap((taken): Join[] => {
    if (taken.outcome !== 'join') return [];
    const lifecycle = taken.policy.lifecycle !== undefined;
    return [
      {
        route: taken.route,
        key: digest(taken.key),
        words: taken.key,
        severity: taken.severity,
        policy: policyOf(taken.policy),
        lifecycle,
      },
    ];
  });
  // The chapters of a story are told in order or not at all: none is told later.
  const quiet = decision.held
    .filter(({ join }) => join.policy.lifecycle === undefined)
    .map(
      ({ held: { route, outcome, why }, by, join }): Quiet => ({
        route,
        outcome,
        by: outcome === 'inhibited' ? by.map(digest) : by,
        why,
        join: { key: digest(join.key), severity: join.severity },
      }),
    );
  return { decision: storedDecision(decision), joins, quiet };
}

/** What the ledger's side asks of the event itself: which alert it is, and whether it could keep others quiet. */
export function arrive(event: Event, routing: Routing): Pick<Arrival, 'fingerprint' | 'inhibitor'> {
  const identity = identityOf(event);
  const inhibitor =
    event.status === 'firing' && inhibits(event, routing) ? { identity, labels: labelsOf(event) } : null;
  return { fingerprint: digest(identity), inhibitor };
}

/** What of it goes to the ledger's side. */
export const arrivalOf = (
  { event, ...decided }: Decided,
  seq: number,
  decision: DecisionText,
  effects?: Done[],
): Arrival => ({
  ...decided,
  seq,
  event: factsOf(event),
  decision,
  effects: effects ?? [],
});

export const factsOf = ({
  source,
  id,
  type,
  status,
  title,
  service,
  dedup_key,
  occurred_at,
  as_of,
  expires_at,
}: Event): Facts => {
  const facts: Facts = { source, id, type, status, title };
  if (service !== undefined) facts.service = service;
  if (dedup_key !== undefined) facts.dedup_key = dedup_key;
  if (occurred_at !== undefined) facts.occurred_at = occurred_at;
  if (as_of !== undefined) facts.as_of = as_of;
  if (expires_at !== undefined) facts.expires_at = expires_at;
  return facts;
};
