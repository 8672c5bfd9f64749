/** How Opsgenie's clients name an alert, and how they see one. */
import type { FiringAlert } from '../../ledger/alerts.ts';
import { fingerprintOf } from '../../ledger/alerts.ts';
import { aliasOf, priorityOf } from '../../sources/opsgenie.ts';

/** https://docs.opsgenie.com/docs/alert-api: `identifierType` */
export const IDENTIFIER_TYPES = ['id', 'alias', 'tiny'] as const;
type IdentifierType = (typeof IDENTIFIER_TYPES)[number];

/** Our digests in the form of a UUID: what `id` names. */
export const alertIdOf = (fingerprint: string): string =>
  fingerprint.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** What the ledger knows the alert by; undefined for what can be none of its names. */
export function ledgerName(
  identifier: string,
  type: IdentifierType,
  source: string,
): { fingerprint: string } | { number: number } | undefined {
  switch (type) {
    case 'alias':
      return { fingerprint: fingerprintOf(source, aliasOf(identifier)) };
    case 'tiny':
      return /^\d{1,15}$/.test(identifier) ? { number: Number(identifier) } : undefined;
    case 'id':
      return /^[\da-f-]{36}$/.test(identifier) ? { fingerprint: identifier.replaceAll('-', '') } : undefined;
    default:
      return type satisfies never;
  }
}

/** The alert in Opsgenie's words. Only what fires is open, and only that is found: what is over, the incidents remember. */
export function alertView({ number, fingerprint, count, first_at, last_at, event, ...incident }: FiringAlert) {
  const { details, tags } = (event.context ?? {}) as { details?: object; tags?: unknown[] };
  const isSnoozed = incident.status === 'snoozed';
  return {
    id: alertIdOf(fingerprint),
    tinyId: String(number),
    alias: event.dedup_key ?? '',
    message: event.title,
    status: 'open',
    acknowledged: incident.status === 'acknowledged',
    isSeen: incident.status === 'acknowledged',
    tags: tags ?? [],
    snoozed: isSnoozed,
    ...(isSnoozed && incident.snoozed_until ? { snoozedUntil: incident.snoozed_until.toISOString() } : {}),
    count,
    lastOccurredAt: last_at.toISOString(),
    createdAt: first_at.toISOString(),
    updatedAt: last_at.toISOString(),
    source: event.source,
    owner: incident.status === 'acknowledged' ? (incident.answered_by ?? '') : '',
    priority: priorityOf(event),
    responders: [],
    entity: event.components[0] ?? '',
    description: event.body ?? '',
    details: details ?? {},
    integration: { name: event.source, type: 'API' },
  };
}

/** `status: open AND alias: "x"`, as far as what fires can be asked for by it. */
const TERM = /^(status|alias)\s*[:=]\s*(?:"([^"]*)"|(\S+))$/i;

/**
 * What a search asks for: everything, one alias, or what is never among the open ones. Searches in other words are refused:
 * a list that leaves out what was asked for would be believed.
 * https://support.atlassian.com/opsgenie/docs/search-queries-for-alerts/
 */
export function searched(query: string): { alias?: string; isEmpty: boolean } | { problem: string } {
  const terms = query.trim() === '' ? [] : query.trim().split(/\s+AND\s+/i);
  let alias: string | undefined;
  let isEmpty = false;
  for (const term of terms) {
    const [, name = '', quoted, bare] = TERM.exec(term.trim()) ?? [];
    const value = quoted ?? bare ?? '';
    if (name === '') return { problem: 'query can hold status and alias, joined by AND, such as: status: open' };
    if (name.toLowerCase() === 'status') isEmpty ||= value.toLowerCase() !== 'open';
    else if (alias !== undefined && alias !== value) isEmpty = true;
    else alias = value;
  }
  return { ...(alias === undefined ? {} : { alias }), isEmpty };
}
