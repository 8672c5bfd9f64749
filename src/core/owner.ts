/** The word `owner` in `notify`: it stands for the integrations of the user that an event names. */
import type { Event } from './event.ts';
import type { Policy } from './policy.ts';
import type { Route, Routing } from './route.ts';

/** Stands in `notify` of a route; no integration is called so. */
export const OWNER = 'owner';
/** Characters of a user's name, in an event and as the owner of an integration. */
export const OWNER_MAX = 100;

/** An integration as its owner has it. */
export interface Own {
  name: string;
  enabled: boolean;
  /** Where its attempts are not made in the ordinary way: core/policy.ts. */
  patience?: { timeout_ms: number; backoff_ms: number };
}

/** The channels of each owner. */
export type Owned = ReadonlyMap<string, readonly Own[]>;
/** Asks for the channels of these owners, wherever they are kept. */
export type OwnedBy = (users: readonly string[]) => Promise<Owned>;

/** What became of the word, by the name it has in a decision. */
export type OwnerOutcome = 'told' | 'no_user' | 'no_integration' | 'switched_off';

/** The user an event names: its own field, else its label `user`; empty where there is none. */
export const userOf = ({ user, labels }: Pick<Event, 'user' | 'labels'>): string => user ?? labels.user ?? '';

/** Whether the policy tells whoever the event is about. Then `user` is part of its grouping key. */
export const tellsOwner = ({ notify }: Policy): boolean => notify.includes(OWNER);

/** The users whose integrations have to be known to decide about these events; none where no route tells an owner. */
export function usersAsked(events: readonly Event[], { routes, fallback }: Routing): string[] {
  const asks = ({ policy, children }: Route): boolean => tellsOwner(policy) || children.some(asks);
  if (!asks(fallback) && !routes.some(asks)) return [];
  return [...new Set(events.map(userOf))].filter((user) => user !== '');
}

/**
 * The policy of an incident about this user: in place of the word stand the names of the user's integrations that are
 * switched on. Other policies stay as they are, the same object. `why`: in words, where the word stands for nobody.
 */
export function withOwner(
  policy: Policy,
  user: string,
  owned: Owned,
): { policy: Policy; owner?: OwnerOutcome; why?: string } {
  if (!tellsOwner(policy)) return { policy };
  const all = user === '' ? [] : (owned.get(user) ?? []);
  const own = all.filter(({ enabled }) => enabled);
  const notify = policy.notify.flatMap((name) => (name === OWNER ? own.map(({ name: theirs }) => theirs) : [name]));
  const patient = own.flatMap(({ name, patience }) => (patience ? [[name, patience] as const] : []));
  const resolved: Policy = { ...policy, notify: [...new Set(notify)] };
  if (patient.length > 0) resolved.patience = { ...policy.patience, ...Object.fromEntries(patient) };
  if (own.length > 0) return { policy: resolved, owner: 'told' };
  if (user === '')
    return { policy: resolved, owner: 'no_user', why: 'owner is nobody, because the event names no user' };
  const quoted = JSON.stringify(user);
  if (all.length === 0)
    return { policy: resolved, owner: 'no_integration', why: `owner is nobody, because ${quoted} has no integration` };
  const names = all.map(({ name }) => name).join(', ');
  return {
    policy: resolved,
    owner: 'switched_off',
    why: `owner is nobody, because what ${quoted} has is switched off: ${names}`,
  };
}
