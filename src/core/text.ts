/** Text for people: cleaning, clipping, escaping, and what a notice says in plain lines. */
import { ciFactsOf, signOf } from './ci.ts';
import type { Severity } from './event.ts';
import { isPage, type Notice, type NoticeAlert } from './notice.ts';
import { inWords } from './time.ts';

const ELLIPSIS = '…';

/** Control characters but tab and newline, and the marks that turn the direction of the text around them. */
const UNSAFE = /(?![\n\t])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu;

/** `text` as Unicode that cannot drive a terminal, break a header or turn a line around; newlines and tabs stay. */
export const tidy = (text: string): string =>
  text
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(UNSAFE, '');

/** `tidy`, and every run of white space one space: for subjects, headers, table cells. */
export const oneLine = (text: string): string => tidy(text).replace(/\s+/g, ' ').trim();

/** At most `max` code points, the last of them `…` where something was cut; never half a surrogate pair. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  const kept: string[] = [];
  for (const point of text) {
    if (kept.length === max) return `${kept.slice(0, Math.max(0, max - 1)).join('')}${max > 0 ? ELLIPSIS : ''}`;
    kept.push(point);
  }
  return text;
}

/**
 * `escaping(text)` in at most `max` UTF-16 units, cut between characters of the original and so never inside an entity.
 * `escaping` must work character by character. UTF-16 units are the strictest way a vendor may count.
 */
export function clipEscaped(text: string, max: number, escaping: (text: string) => string): string {
  let room = max;
  let end = 0;
  let endWithEllipsis = 0;
  for (const point of text) {
    room -= escaping(point).length;
    if (room < 0) return max > 0 ? `${escaping(text.slice(0, endWithEllipsis))}${ELLIPSIS}` : '';
    end += point.length;
    if (room >= ELLIPSIS.length) endWithEllipsis = end;
  }
  return escaping(text);
}

const HTML: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For HTML text and quoted attributes alike. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (found) => HTML[found] ?? found);

/** For Slack's mrkdwn: exactly these three (https://docs.slack.dev/messaging/formatting-message-text#escaping). */
export const escapeMrkdwn = (text: string): string => text.replace(/[&<>]/g, (found) => HTML[found] ?? found);

const SAFE_PROTOCOLS: ReadonlySet<string> = new Set(['http:', 'https:', 'mailto:']);

/** The address as a browser would write it, or undefined for what is no http, https or mailto address. */
export function safeLink(url: string): string | undefined {
  const parsed = URL.parse(url.toWellFormed());
  return parsed && SAFE_PROTOCOLS.has(parsed.protocol) ? parsed.href : undefined;
}

/**
 * The address as it may stand behind a button of Telegram or Discord: on the web, at a host with a dot, written as RFC 3986
 * has it. They check addresses, and refuse the whole message for `http://grafana:3000` (rubenlagus/TelegramBots#302,
 * grafana/grafana#65270).
 */
export function buttonLink(url: string, max: number): string | undefined {
  const parsed = URL.parse(url.toWellFormed());
  if (!parsed || !/^https?:$/.test(parsed.protocol) || !/[^.]\.[^.]/.test(parsed.hostname)) return undefined;
  const href = parsed.href.replace(
    /%(?![\dA-F]{2})|[^\w.~:/?#@!$&'()*+,;=%-]/gi,
    (found) => `%${found.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return href.length <= max ? href : undefined;
}

/** `1 alert`, `3 alerts`. */
export const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

/** `2026-01-15 14:32:00 UTC` of an ISO 8601 time; anything else as it is, on one line. */
export function utc(iso: string): string {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? oneLine(iso) : `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** What a message is taken for at a glance. Channels with colours of their own choose them by it. */
export type Meaning = 'success' | 'warning' | 'error' | 'info' | 'quiet';

interface Look {
  emoji: string;
  /** `#rrggbb`. */
  colour: string;
  means: Meaning;
}

export interface Tone extends Look {
  /** Upper case: `CRITICAL`, `RESOLVED`. */
  word: string;
}

/** The one table of signs and colours, for every channel: ✅ ❌ 🚀 🔒 and what they mean are seed 003's, 🔴 is seed 004's. */
const LOOKS = {
  critical: { emoji: '🔴', colour: '#d72b3f', means: 'error' },
  error: { emoji: '🟠', colour: '#e8603c', means: 'error' },
  warning: { emoji: '⚠️', colour: '#e8a33d', means: 'warning' },
  info: { emoji: '🔵', colour: '#3d8ee8', means: 'info' },
  passed: { emoji: '✅', colour: '#2eb67d', means: 'success' },
  failed: { emoji: '❌', colour: '#d72b3f', means: 'error' },
  running: { emoji: '⏳', colour: '#3d8ee8', means: 'info' },
  deployment: { emoji: '🚀', colour: '#e8a33d', means: 'warning' },
  security: { emoji: '🔒', colour: '#d72b3f', means: 'error' },
  acknowledged: { emoji: '👀', colour: '#8a8f98', means: 'quiet' },
  snoozed: { emoji: '💤', colour: '#8a8f98', means: 'quiet' },
  summary: { emoji: '📊', colour: '#3d8ee8', means: 'info' },
  test: { emoji: '🔔', colour: '#3d8ee8', means: 'info' },
} as const satisfies Record<string, Look>;

/** The sign of a state where it is shown beside others: in the table of a pull request, on a commit. */
export const emojiOf = (state: keyof typeof LOOKS): string => LOOKS[state].emoji;

/** Of what is open; where all that is said goes the same way, it has the sign that people know it by. */
function openTone(notice: Notice): Tone {
  const { severity } = notice.incident;
  const sign = signAmong(notice);
  if (sign === 'passed') return { ...LOOKS.passed, word: 'SUCCESS' };
  // A failure that its sender gave no severity.
  const word = sign === 'failed' && severity === 'info' ? 'FAILED' : severity.toUpperCase();
  return { ...LOOKS[sign ?? severity], word };
}

function signAmong({ alerts, more, story, incident }: Notice): ReturnType<typeof signOf> {
  const signs = [...new Set(alerts.map((alert) => signOf(alert)))];
  const [sign] = signs;
  if (sign !== undefined && signs.length === 1 && more === 0) return sign;
  if (story && !story.ok) return 'failed';
  return story && incident.severity === 'info' ? 'running' : undefined;
}

/** How a notice looks on every channel: by what has become of the incident, by its severity while it is open. */
export function toneOf(notice: Notice): Tone {
  const { reason, story, incident } = notice;
  if (story) return story.phase === 'end' && story.ok ? { ...LOOKS.passed, word: 'DONE' } : openTone(notice);
  if (reason === 'summary' || reason === 'test') return { ...LOOKS[reason], word: reason.toUpperCase() };
  switch (incident.status) {
    case 'resolved':
      return { ...LOOKS.passed, word: 'RESOLVED' };
    case 'acknowledged':
    case 'snoozed':
      return { ...LOOKS[incident.status], word: incident.status.toUpperCase() };
    case 'open':
      return openTone(notice);
  }
}

/** The first three different values, the rest counted: `api, web, db and 4 more`. */
export function several(values: readonly (string | undefined)[]): string {
  const different = [...new Set(values.map((value) => oneLine(value ?? '')).filter((value) => value !== ''))];
  const shown = different.slice(0, 3).join(', ');
  return different.length > 3 ? `${shown} and ${different.length - 3} more` : shown;
}

const wordOf = ({ incident, alerts }: Notice): string =>
  oneLine(alerts.find((alert) => alert.severity === incident.severity)?.severity_word ?? '');

/** Seed 004's names of our severities, where the sender used none of its own. */
const PRIORITIES: Record<Severity, string> = { critical: 'P0', error: 'P1', warning: 'P2', info: 'P3' };

/** `P0` to `P4`: the sender's own where it gave one. */
export function priorityOf(notice: Notice): string {
  const word = wordOf(notice).toUpperCase();
  return /^P[0-4]$/.test(word) ? word : PRIORITIES[notice.incident.severity];
}

/** The sender's own word beside ours where it differs: `critical (P0)`. */
function severityText(notice: Notice): string {
  const { incident } = notice;
  const word = wordOf(notice);
  return word === '' || word.toLowerCase() === incident.severity ? incident.severity : `${incident.severity} (${word})`;
}

/**
 * What there is to know, as name and value on one line each, in the order a person asks; unknown facts are left out.
 * Not escaped, and as long as the sender made them.
 */
export function factsOf(notice: Notice): [name: string, value: string][] {
  const { incident, alerts, story } = notice;
  const pattern = notice.lines.includes(notice.pattern ?? '') ? '' : oneLine(notice.pattern ?? '');
  const each = (value: (alert: NoticeAlert) => string | undefined) => several(alerts.map(value));
  // The chapters of a story are told one by one.
  const isSeveral = incident.alert_count > 1 && !story;
  const ci = ciFacts(notice);
  const usual: [string, string][] = [
    ['Severity', severityText(notice)],
    ['State', incident.status],
    ['Type', each(({ type }) => type)],
    ['Source', each(({ source }) => source)],
    ['Service', oneLine(incident.service ?? '') || each(({ service }) => service)],
    ['Components', several(notice.components)],
    ['Incident ID', oneLine(incident.id)],
    ['Created', utc(incident.opened_at)],
    ['Alerts', isSeveral ? `${incident.alert_count}, ${incident.firing_count} firing` : ''],
    ['First', isSeveral ? utc(incident.first_at) : ''],
    ['Last', isSeveral ? utc(incident.last_at) : ''],
    ['Pattern', pattern],
    ['By', oneLine(notice.by ?? '')],
    ['Level', notice.level === undefined ? '' : String(notice.level)],
    ['Took', story?.duration_ms === undefined ? '' : inWords(story.duration_ms)],
    ...[...Object.entries(story?.counts ?? {}), ...Object.entries(story?.details ?? {})].map(
      ([name, value]): [string, string] => [oneLine(name), oneLine(value)],
    ),
    ['Trace', each(({ trace_id }) => trace_id)],
    ['Request', each(({ request_id }) => request_id)],
    ['Assignees', several(alerts.flatMap(({ assignees }) => assignees))],
  ];
  const said = new Map(ci);
  // The repository is what CI calls the service.
  const isSaid = ([name, value]: [string, string]) =>
    said.has(name) || (name === 'Service' && said.get('Project') === value);
  return [...ci, ...usual.filter((fact) => fact[1] !== '' && !isSaid(fact))];
}

/** What CI events of one stage say, by the names they have in common. */
function ciFacts(notice: Notice): [name: string, value: string][] {
  const each = notice.alerts.map((alert) => new Map(ciFactsOf(alert)));
  const [first] = notice.alerts;
  if (first === undefined || each.some((facts) => facts.size === 0)) return [];
  const severity: [string, string][] = signOf(first) === 'security' ? [['Severity', severityText(notice)]] : [];
  const names = new Set(each.flatMap((facts) => [...facts.keys()]));
  const [lone] = each;
  const value = (name: string): string =>
    each.length === 1 ? oneLine(lone?.get(name) ?? '') : several(each.map((facts) => facts.get(name)));
  return [...severity, ...[...names].map((name): [string, string] => [name, value(name)])];
}

/** One alert on one line: `[critical] Disk full on web-1 (3 times, resolved) trace 4bf9 request r-1`. */
export function alertLine(alert: NoticeAlert, max = 200): string {
  const notes = [
    alert.count > 1 ? `${alert.count} times` : '',
    alert.status === 'resolved' ? 'resolved' : '',
    several(alert.components),
  ].filter((note) => note !== '');
  const ids = [
    alert.trace_id ? ` trace ${clip(oneLine(alert.trace_id), 64)}` : '',
    alert.request_id ? ` request ${clip(oneLine(alert.request_id), 64)}` : '',
  ].join('');
  return `[${alert.severity}] ${clip(oneLine(alert.title), max)}${notes.length ? ` (${clip(notes.join(', '), max)})` : ''}${ids}`;
}

/** The request that answers the notice, for channels without a button; undefined where no answer is asked for. */
export const answerOf = ({ reason, incident }: Notice): string | undefined =>
  isPage(reason) && incident.status === 'open'
    ? `POST /v1/incidents/${encodeURIComponent(oneLine(incident.id))}/ack`
    : undefined;

/** Letters a common part needs before it means something; a letter beyond ASCII (`디스크`) says as much as two. */
const MEANINGFUL_LETTERS = 3;

/**
 * What several titles have in common, word by word, `*` for what differs: `Disk full on web-1`, `Disk full on web-2`
 * → `Disk full on *`. Undefined for fewer than two titles and where nothing meaningful is common.
 */
export function commonPattern(titles: readonly string[]): string | undefined {
  if (titles.length < 2) return undefined;
  const [first, ...others] = titles.map((title) => oneLine(title).split(' '));
  const pattern = others.reduce(commonTokens, first ?? []);
  const letters = pattern.join('').match(/\p{L}/gu) ?? [];
  const weight = letters.reduce((sum, letter) => sum + (letter.charCodeAt(0) < 128 ? 1 : 2), 0);
  return weight >= MEANINGFUL_LETTERS ? pattern.join(' ') : undefined;
}

/** Place by place where both have as many words, else their common beginning and end; one `*` for each gap. */
function commonTokens(a: string[], b: string[]): string[] {
  const tokens: string[] = [];
  const push = (token: string) => {
    if (token !== '*' || tokens.at(-1) !== '*') tokens.push(token);
  };
  if (a.length === b.length) {
    for (const [index, token] of a.entries()) push(token === b[index] ? token : '*');
    return tokens;
  }
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let end = 0;
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  for (const token of [...a.slice(0, start), '*', ...a.slice(a.length - end)]) push(token);
  return tokens;
}
