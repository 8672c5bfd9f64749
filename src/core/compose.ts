/** From what the ledger knows of an incident to the notice a channel is told: the words, in one place. */
import { ciLinksOf } from './ci.ts';
import { type Event, type Labels, type Link, rankOf, type Severity } from './event.ts';
import type { IncidentStatus, Notice, NoticeAlert, Reason } from './notice.ts';
import { countsOf, detailsOf, durationSaid, isEnd, isGood } from './story.ts';
import { commonPattern } from './text.ts';
import { inWords } from './time.ts';

/** An alert of the incident with the event that last changed it. Times in ISO 8601. */
export interface AlertFact {
  event: Event;
  status: 'firing' | 'resolved';
  severity: Severity;
  title: string;
  count: number;
  first_at: string;
  last_at: string;
}

export interface Facts {
  incident: {
    id: string;
    status: IncidentStatus;
    severity: Severity;
    title: string;
    service?: string;
    route: string;
    alert_count: number;
    firing_count: number;
    opened_at: string;
    first_at: string;
    last_at: string;
    answered_by?: string;
    answered_at?: string;
    snoozed_until?: string;
    close_reason?: string;
    /** Set by operators beside the status: triaged, investigating, remediating. */
    working_state?: string;
    /** The label that names the story. */
    lifecycle?: string;
  };
  reason: Reason;
  level?: number;
  /** The first 20, the worst first. */
  alerts: AlertFact[];
  /** Alerts in all. */
  total: number;
  /** For a chapter: its events, whether it begins the story, and how many chapters there were so far. */
  chapter?: { events: Event[]; isFirst: boolean; so_far: number };
  /** The target that did not deliver, for a failover. */
  instead_of?: string;
  delivery: { key: string; attempt: number };
  /** From the configuration: Grafana, Prometheus, the incident's page. */
  links: Link[];
  public_url?: string;
  at: string;
}

/** The most links of one notice. */
const LINKS_MAX = 10;

/** Where an incident is read, under the public address of the API. */
export const incidentUrl = (public_url: string, id: string): string =>
  `${public_url.replace(/\/$/, '')}/v1/incidents/${id}`;

export function composeNotice(facts: Facts): Notice {
  const { incident, reason, chapter } = facts;
  const alerts = chapter ? chapter.events.map((event) => alertOf(eventFact(event, facts))) : facts.alerts.map(alertOf);
  const pattern = alerts.length > 1 ? commonPattern(alerts.map(({ title }) => title)) : undefined;
  const url = facts.public_url === undefined ? undefined : incidentUrl(facts.public_url, incident.id);
  const { service } = incident;
  return {
    reason,
    headline: chapter ? chapterHeadline(chapter.events) : headline(facts),
    lines: chapter ? [] : [...linesOf(facts), ...(pattern === undefined ? [] : [pattern])],
    incident: {
      id: incident.id,
      status: statusFor(reason, incident.status),
      ...(incident.working_state === undefined ? {} : { working: incident.working_state }),
      ...(incident.close_reason === undefined ? {} : { close_reason: incident.close_reason }),
      severity: chapter ? worstOf(chapter.events) : incident.severity,
      title: incident.title,
      ...(service === undefined ? {} : { service }),
      route: incident.route,
      ...(url === undefined ? {} : { url }),
      alert_count: incident.alert_count,
      firing_count: incident.firing_count,
      opened_at: incident.opened_at,
      first_at: incident.first_at,
      last_at: incident.last_at,
    },
    ...(incident.answered_by !== undefined && namesSomebody(reason) ? { by: incident.answered_by } : {}),
    ...(facts.level === undefined ? {} : { level: facts.level }),
    components: componentsOf(alerts),
    ...(pattern === undefined ? {} : { pattern }),
    alerts,
    more: chapter ? 0 : Math.max(0, facts.total - alerts.length),
    links: uniqueLinks([...alerts.flatMap((alert) => [...ciLinksOf(alert), ...alert.links]), ...facts.links]),
    ...(chapter ? { story: storyOf(facts, chapter) } : {}),
    delivery: facts.delivery,
    at: facts.at,
  };
}

/** A notice says what its reason says, although the incident may have moved on since it was decided. */
function statusFor(reason: Reason, status: IncidentStatus): IncidentStatus {
  return reason === 'resolved' || reason === 'acknowledged' || reason === 'snoozed' ? reason : status;
}

const namesSomebody = (reason: Reason): boolean =>
  ['acknowledged', 'unacknowledged', 'snoozed', 'resolved'].includes(reason);

const worstOf = (events: Event[]): Severity =>
  events.reduce<Severity>((worst, { severity }) => (rankOf(severity) < rankOf(worst) ? severity : worst), 'info');

const eventFact = (event: Event, { at }: Facts): AlertFact => ({
  event,
  status: event.status,
  severity: event.severity,
  title: event.title,
  count: 1,
  first_at: event.occurred_at ?? at,
  last_at: event.occurred_at ?? at,
});

function alertOf({ event, status, severity, title, count, first_at, last_at }: AlertFact): NoticeAlert {
  const { type, source, components, labels, links, assignees } = event;
  return {
    title,
    status,
    severity,
    ...(event.severity_word === undefined ? {} : { severity_word: event.severity_word }),
    type,
    source,
    ...(event.service === undefined ? {} : { service: event.service }),
    components,
    ...(event.body === undefined ? {} : { body: event.body }),
    labels,
    links,
    ...(event.trace_id === undefined ? {} : { trace_id: event.trace_id }),
    ...(event.request_id === undefined ? {} : { request_id: event.request_id }),
    ...(event.context === undefined ? {} : { context: event.context }),
    assignees,
    count,
    first_at,
    last_at,
  };
}

/** `3 similar alerts in checkout`, or the alert's own title when there is one. */
function headline({ incident }: Facts): string {
  if (incident.alert_count <= 1) return incident.title;
  return `${incident.alert_count} similar alerts in ${incident.service ?? incident.route}`;
}

const chapterHeadline = (events: Event[]): string => events.at(-1)?.title ?? '';

function linesOf(facts: Facts): string[] {
  const { incident, reason, level, instead_of } = facts;
  const by = incident.answered_by ?? 'somebody';
  const since = (time: string): string => inWords(Math.max(0, Date.parse(facts.at) - Date.parse(time)));
  switch (reason) {
    case 'working':
      return [`It is ${incident.working_state ?? 'open'} now.`];
    case 'acknowledged':
      return [`Acknowledged by ${by}.`];
    case 'unacknowledged':
      return [`${by} took the acknowledgement back.`];
    case 'ack_timed_out':
      return ['It was acknowledged, and nothing has happened since: paging again.'];
    case 'snoozed':
      return [`Snoozed by ${by}${incident.snoozed_until ? ` until ${incident.snoozed_until}` : ''}.`];
    case 'snooze_ended':
      return ['The snooze has ended and it is still open.'];
    case 'resolved':
      return [`${endedBy(facts)} It took ${since(incident.opened_at)}.`];
    case 'escalated':
      return [`Nobody has answered: escalation level ${level ?? 1}.`];
    case 'escalated_by_hand':
      return [`Escalated by hand to level ${level ?? 1}.`];
    case 'failover':
      return [`Told here because ${instead_of ?? 'the first integration'} did not deliver in time.`];
    case 'repeat_interval':
      return [`Still open after ${since(incident.opened_at)}.`];
    case 'fired_again':
      return ['It fired again after it had been resolved.'];
    case 'severity_rose':
      return [`The severity rose to ${incident.severity}.`];
    case 'group_now':
    case 'group_count':
    case 'group_wait':
    case 'group_interval':
    case 'story':
    case 'test':
    case 'summary':
      return [];
    default:
      return reason satisfies never;
  }
}

function endedBy({ incident }: Facts): string {
  if (incident.close_reason === 'quiet') return 'Closed: nothing new has come.';
  return incident.answered_by === undefined ? 'Nothing fires any more.' : `Resolved by ${incident.answered_by}.`;
}

/** Components, services where none are given; each once, in order of appearance. */
function componentsOf(alerts: NoticeAlert[]): string[] {
  const components = [...new Set(alerts.flatMap((alert) => alert.components))];
  return components.length > 0
    ? components
    : [...new Set(alerts.flatMap(({ service }) => (service === undefined ? [] : [service])))];
}

function uniqueLinks(links: Link[]): Link[] {
  const byUrl = new Map(links.map((link) => [link.url, link]));
  return [...byUrl.values()].slice(0, LINKS_MAX);
}

function storyOf(
  { incident, at }: Facts,
  { events, isFirst, so_far }: NonNullable<Facts['chapter']>,
): NonNullable<Notice['story']> {
  const last = events.at(-1);
  const end = last !== undefined && isEnd(last);
  const name = (last && incident.lifecycle && last.labels[incident.lifecycle]) || incident.title;
  const ended: Partial<NonNullable<Notice['story']>> = end
    ? { duration_ms: durationOf(incident.opened_at, last, at), counts: { events: String(so_far), ...countsOf(last) } }
    : {};
  const details: Labels = Object.assign({}, ...events.map(detailsOf));
  return {
    name,
    phase: end ? 'end' : isFirst ? 'start' : 'progress',
    ok: events.every(isGood),
    ...ended,
    ...(Object.keys(details).length > 0 ? { details } : {}),
  };
}

/** As the sender says; else from the first chapter to the end, by the sender's clock where it says when it ended. */
const durationOf = (opened_at: string, last: Event, at: string): number =>
  durationSaid(last) ?? Math.max(0, Date.parse(last.occurred_at ?? at) - Date.parse(opened_at));
