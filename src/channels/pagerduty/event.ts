/**
 * A notice as events of PagerDuty: what is triggered, acknowledged or resolved there, and what is only noted as a change.
 * https://developer.pagerduty.com/docs/events-api-v2-overview
 */
import type { ChangePayload, EventPayloadV2 } from '@pagerduty/pdjs/build/src/events.js';
import type { Json } from '../../core/event.ts';
import { isPage, type Notice, type NoticeAlert, REASONS } from '../../core/notice.ts';
import { alertLine, clip, clipEscaped, factsOf, oneLine, plural, safeLink, several, tidy } from '../../core/text.ts';
import type { Ref } from '../channel.ts';

/** https://developer.pagerduty.com/docs/send-alert-event and https://developer.pagerduty.com/docs/send-change-event */
export const ALERTS = '/v2/enqueue';
export const CHANGES = '/v2/change/enqueue';

/** https://developer.pagerduty.com/docs/send-alert-event: `payload.summary`, `dedup_key`. */
const SUMMARY_MAX = 1_024;
const DEDUP_KEY_MAX = 255;

/**
 * Our own limits. Together they stay below the 512 KB that an event may have, whatever senders wrote in letters of four
 * bytes: https://developer.pagerduty.com/docs/events-api-v2-overview#size-limits
 */
const WORD_MAX = 255;
const NAME_MAX = 60;
const VALUE_MAX = 500;
const FACTS_MAX = 40;
const LINES_MAX = 20;
const BODY_MAX = 8_000;
const LABELS_MAX = 50;
const CONTEXT_MAX_BYTES = 16 * 1_024;
const LINKS_MAX = 10;
const LINK_TEXT_MAX = 100;
const URL_MAX = 2_000;

/** As pdjs has it, with the client that its types forget, and a payload only where the event has one. */
export type AlertEvent = Omit<EventPayloadV2, 'routing_key' | 'payload' | 'dedup_key'> & {
  dedup_key: string;
  payload?: EventPayloadV2['payload'];
  client?: string;
  client_url?: string;
};
export type ChangeEvent = Omit<ChangePayload, 'routing_key'>;
export type Post = { to: typeof ALERTS; event: AlertEvent } | { to: typeof CHANGES; event: ChangeEvent };

export interface Events {
  dedup_key: string;
  /** In this order; none where PagerDuty has no word for it. */
  posts: Post[];
  /** What an operator should know besides. */
  note?: string;
}

const NO_SNOOZE = 'PagerDuty events know no snooze: nothing was sent, its incident stays as it is; snooze it there';
const STAYS_ACKNOWLEDGED =
  'added to the incident in PagerDuty, which pages nobody anew while it is acknowledged there: set an acknowledgement timeout at the service';
const NO_CHANGES = 'nothing was sent: keys that begin with R belong to a ruleset, which takes no change events';
const LEFT_OPEN = 'the story ended badly and nothing follows it: somebody resolves the incident in PagerDuty';

/** The events, without the key they are sent with. Pure; golden files in test/golden/pagerduty. */
export function render(notice: Notice, { routing_key }: { routing_key: string }, root?: Ref): Events {
  const dedup_key = dedupKeyOf(notice, root);
  // https://developer.pagerduty.com/docs/events-api-v2-overview#getting-started
  const takesChanges = !routing_key.startsWith('R');
  const follow = (event_action: 'acknowledge' | 'resolve'): Post => ({
    to: ALERTS,
    event: { event_action, dedup_key },
  });
  const alarm: Post = { to: ALERTS, event: triggered(notice, dedup_key) };
  const changes: Post[] = takesChanges ? [{ to: CHANGES, event: changed(notice) }] : [];
  const noChanges = takesChanges ? {} : { note: NO_CHANGES };

  if (isPage(notice.reason)) {
    return { dedup_key, posts: [alarm], ...(AFTER_ANSWER.has(notice.reason) ? { note: STAYS_ACKNOWLEDGED } : {}) };
  }
  const { story } = notice;
  if (story && !story.ok) {
    return { dedup_key, posts: [alarm], ...(story.phase === 'end' ? { note: LEFT_OPEN } : {}) };
  }
  switch (notice.reason) {
    case 'acknowledged':
      return { dedup_key, posts: [follow('acknowledge')] };
    case 'resolved':
      return { dedup_key, posts: [follow('resolve')] };
    case 'snoozed':
      return { dedup_key, posts: [], note: NO_SNOOZE };
    case 'test':
      // Resolved at once: a test shows the whole way, and wakes as few people as it can.
      return { dedup_key, posts: [alarm, follow('resolve')] };
    case 'story':
      // A chapter before the good end may have been an alarm. Where none was, PagerDuty drops the resolve.
      return { dedup_key, posts: [...(story?.phase === 'end' ? [follow('resolve')] : []), ...changes], ...noChanges };
    default:
      // The daily summary: nobody has to act on it.
      return { dedup_key, posts: changes, ...noChanges };
  }
}

/** Paged again although somebody had answered, and PagerDuty was told of the answer. */
const AFTER_ANSWER: ReadonlySet<string> = new Set(['unacknowledged', 'ack_timed_out', 'snooze_ended']);

/**
 * One occurrence is one key: PagerDuty merges what has the same. The time is there because ids begin anew with a new
 * ledger, and an incident that was left open in PagerDuty must not swallow another one.
 */
function dedupKeyOf({ incident }: Notice, root?: Ref): string {
  if (typeof root?.dedup_key === 'string') return root.dedup_key;
  const time = `@${oneLine(incident.opened_at)}`;
  return `${clipUnits(oneLine(incident.id), DEDUP_KEY_MAX - time.length)}${time}`;
}

/** PagerDuty does not say what it counts: UTF-16 units are the strictest. */
const clipUnits = (text: string, max: number): string => clipEscaped(text, max, (part) => part);

function triggered(notice: Notice, dedup_key: string): AlertEvent {
  const { incident, alerts, components } = notice;
  const component = several(components);
  const kind = several(alerts.map(({ type }) => type));
  const url = webLink(incident.url ?? '');
  const { links, images } = attachments(notice);
  return {
    event_action: 'trigger',
    dedup_key,
    payload: {
      summary: summaryOf(notice),
      source: sourceOf(notice),
      // The four words of PagerDuty are ours: P0 critical, P1 error, P2 warning, P3 and P4 info.
      severity: incident.severity,
      timestamp: incident.last_at,
      ...(component === '' ? {} : { component: clip(component, WORD_MAX) }),
      group: clip(oneLine(incident.route), WORD_MAX),
      ...(kind === '' ? {} : { class: clip(kind, WORD_MAX) }),
      custom_details: detailsOf(notice),
    },
    client: 'Tocsin',
    ...(url === undefined ? {} : { client_url: url }),
    ...(links.length > 0 ? { links } : {}),
    ...(images.length > 0 ? { images } : {}),
  };
}

/** PagerDuty calls nobody for it: it is shown beside the service's incidents. */
function changed(notice: Notice): ChangeEvent {
  const url = webLink(notice.incident.url ?? '');
  return {
    payload: {
      summary: summaryOf(notice),
      source: sourceOf(notice),
      timestamp: notice.at,
      custom_details: detailsOf(notice),
    },
    links: [...(url === undefined ? [] : [{ href: url, text: 'Open incident' }]), ...attachments(notice).links],
  };
}

/** Read out on the phone: words only, no emoji. */
const summaryOf = ({ headline, incident }: Notice): string =>
  clipUnits(oneLine(headline) || oneLine(incident.title) || oneLine(incident.id), SUMMARY_MAX);

const sourceOf = ({ incident, alerts }: Notice): string =>
  clip(oneLine(incident.service ?? '') || several(alerts.map(({ source }) => source)) || 'Tocsin', WORD_MAX);

/** A table on the incident's page: facts first, the sender's own words and data after them. */
function detailsOf(notice: Notice): { [name: string]: Json } {
  const { alerts, more } = notice;
  const lone = alerts.length + more === 1 ? alerts[0] : undefined;
  const said = notice.lines.slice(0, LINES_MAX).map((line) => clip(oneLine(line), VALUE_MAX));
  const facts = factsOf(notice)
    // A job may count what it likes: it does not overwrite what stands before it.
    .filter(([name], at, all) => all.findIndex(([other]) => other === name) === at)
    .slice(0, FACTS_MAX)
    .map(([name, value]): [string, Json] => [clip(name, NAME_MAX), clip(value, VALUE_MAX)]);
  return {
    ...Object.fromEntries(facts),
    ...(said.length === 0 ? {} : { Said: said.join('\n') }),
    ...(lone ? aloneOf(lone) : {}),
    ...(lone || alerts.length === 0 ? {} : { 'Alerts by name': alerts.map((alert) => alertLine(alert)) }),
    ...(more > 0 ? { 'Not shown': plural(more, 'alert') } : {}),
    Why: REASONS[notice.reason],
  };
}

/** What only one alert has the room for. */
function aloneOf({ body, labels, context }: NoticeAlert): { [name: string]: Json } {
  const named = Object.entries(labels)
    .slice(0, LABELS_MAX)
    .map(([name, value]): [string, Json] => [clip(oneLine(name), NAME_MAX), clip(oneLine(value), VALUE_MAX)]);
  const data = context === undefined ? undefined : tidied(context);
  const fits = Buffer.byteLength(JSON.stringify(data ?? null)) <= CONTEXT_MAX_BYTES;
  return {
    ...(body ? { Description: clip(tidy(body), BODY_MAX) } : {}),
    ...(named.length === 0 ? {} : { Labels: Object.fromEntries(named) }),
    ...(data === undefined ? {} : { Context: fits ? data : '… too long to be shown here' }),
  };
}

function tidied(value: Json): Json {
  if (typeof value === 'string') return tidy(value);
  if (Array.isArray(value)) return value.map(tidied);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [oneLine(name), tidied(inner)]));
}

/** The answers and links of the notice; PagerDuty shows an image in place, and takes it only over HTTPS. */
function attachments({ links, answers = [] }: Notice) {
  const usable = [...answers.flatMap(({ label, url }) => (url ? [{ title: label, url }] : [])), ...links]
    .slice(0, LINKS_MAX)
    .flatMap(({ title, url }) => {
      const href = webLink(url);
      return href === undefined ? [] : [{ href, text: clip(oneLine(title) || href, LINK_TEXT_MAX) }];
    });
  const isImage = ({ href }: { href: string }) => /^https:\/\/[^?#]*\.(?:png|jpe?g|gif|webp)(?:[?#]|$)/i.test(href);
  return {
    links: usable.filter((link) => !isImage(link)),
    images: usable.filter(isImage).map(({ href, text }) => ({ src: href, href, alt: text })),
  };
}

function webLink(url: string): string | undefined {
  const href = safeLink(url);
  return href === undefined || href.length > URL_MAX || !/^https?:/.test(href) ? undefined : href;
}
