/** Attempts that may have delivered although nobody said so, and what is done about them. */
import type { Severity } from './event.ts';

/**
 * `lost`: no answer came, or none that makes sense. `unsure`: the provider itself said that it failed, and is rarely wrong
 * (RFC 9110 section 15.6.1: it was kept from fulfilling the request; behind a 502 or 504 nobody knows).
 */
export type Doubt = 'lost' | 'unsure';

export const ON_AMBIGUOUS = ['resend', 'drop'] as const;
export type OnAmbiguous = (typeof ON_AMBIGUOUS)[number];

/**
 * What follows where nobody can be asked. Unless the integration says it: what somebody may have to act on is told at least
 * once, so warnings as well; what only informs at most once.
 */
export function afterLost(set: OnAmbiguous | undefined, severity: Severity): OnAmbiguous {
  return set ?? (severity === 'info' ? 'drop' : 'resend');
}
