/** A notice as Linear's markdown: the description of an issue, and the comments below it. */
import type { Link } from '../../core/event.ts';
import { isPage, type Notice, REASONS } from '../../core/notice.ts';
import { alertLine, clip, clipEscaped, factsOf, oneLine, plural, safeLink, tidy, toneOf } from '../../core/text.ts';

/** Linear names no limit; people's tools are used to issues of this length. */
const TITLE_MAX = 255;

// Our own budgets, in characters as written; together below 40,000.
const HEADLINE_MAX = 400;
const SAID_MAX = 3_000;
const BODY_MAX = 4_000;
const FACT_NAME_MAX = 40;
const FACT_MAX = 150;
const FACTS_MAX = 30;
const ALERT_MAX = 300;
const ALERT_TITLE_MAX = 120;
const CONTEXT_MAX = 8_000;
const LINKS_MAX = 8;
const LINK_TITLE_MAX = 120;
const LINK_URL_MAX = 1_000;

/** `[type] title` on one line; several alerts are named by what their titles have in common. No markdown is read there. */
export function titleOf({ alerts, incident, pattern, headline }: Notice): string {
  const type = oneLine(alerts[0]?.type ?? '');
  const title = oneLine(incident.alert_count > 1 ? (pattern ?? incident.title) : incident.title) || oneLine(headline);
  return clipEscaped(`${type === '' ? '' : `[${type}] `}${title}`, TITLE_MAX, (part) => part);
}

/** What the issue says: everything there is to know when it is opened. */
export const descriptionOf = (notice: Notice): string =>
  paragraphs(
    banner(notice),
    said(notice),
    body(notice),
    facts(factsOf(notice)),
    listed(notice),
    context(notice),
    section('### Links', pages(linksOf(notice))),
    footer(notice),
  );

/** What is said below it, as short as can be: the description above has the rest. */
export const commentOf = (notice: Notice): string =>
  paragraphs(
    banner(notice),
    said(notice),
    facts(factsOf(notice).filter(isNews(notice))),
    isPage(notice.reason) ? listed(notice) : '',
    pages(answersOf(notice)),
    footer(notice),
  );

/** Addresses that may stand beside an issue as attachments, each once: the incident's page and the given links. */
export function attachmentsOf({ incident, links }: Notice): { title: string; url: string }[] {
  const wanted = [
    ...(incident.url ? [{ title: `Incident ${oneLine(incident.id)}`, url: incident.url }] : []),
    ...links,
  ];
  const found = new Map<string, string>();
  for (const { title, url } of wanted) {
    const href = safeLink(url);
    if (href === undefined || href.length > LINK_URL_MAX || !href.startsWith('http') || found.has(href)) continue;
    found.set(href, clip(oneLine(title) || href, LINK_TITLE_MAX));
  }
  return [...found].slice(0, LINKS_MAX).map(([url, title]) => ({ title, url }));
}

/** Nothing where there is nothing below the heading. */
const section = (heading: string, content: string): string => (content === '' ? '' : paragraphs(heading, content));
const paragraphs = (...parts: string[]): string => parts.filter((part) => part !== '').join('\n\n');

/** Any ASCII punctuation may follow a backslash: https://spec.commonmark.org/0.31.2/#backslash-escapes */
const escaped = (text: string): string => text.replace(/[\\`*_{}[\]<>#|~@!$^&]/g, '\\$&');

/** Text within a line. A bare address is no link either: Linear makes a mention of the address of a person. */
const inline = (text: string, max: number): string =>
  clipEscaped(oneLine(text), max, escaped).replaceAll('://', '\\://');

/** A line of its own, that begins no list, heading or rule. */
const line = (text: string, max: number): string =>
  inline(text, max)
    .replace(/^[-+=]/, '\\$&')
    .replace(/^(\d+)([.)])/, '$1\\$2');

/** Each line on a line of its own, as markdown breaks them. */
const lines = (texts: string[]): string => texts.join('  \n');

function banner(notice: Notice): string {
  const { emoji, word } = toneOf(notice);
  return `**${emoji} ${word} · ${inline(notice.headline, HEADLINE_MAX) || '…'}**`;
}

const said = (notice: Notice): string => within(notice.lines.map(oneLine), SAID_MAX);

/** For a lone alert, the sender's description. */
const body = ({ alerts: [lone, ...others] }: Notice): string =>
  lone?.body && others.length === 0 ? within(tidy(clip(lone.body, BODY_MAX)).split('\n').map(oneLine), BODY_MAX) : '';

/** The first lines that fit; the last of them is cut where it does not. */
function within(texts: string[], max: number): string {
  const kept: string[] = [];
  let room = max;
  for (const text of texts.filter((one) => one !== '')) {
    if (room <= 0) break;
    const written = line(text, room);
    kept.push(written);
    room -= written.length + 3;
  }
  return lines(kept);
}

function facts(all: [string, string][]): string {
  const shown = all.slice(0, FACTS_MAX);
  return shown.map(([name, value]) => `- **${inline(name, FACT_NAME_MAX)}**: ${inline(value, FACT_MAX)}`).join('\n');
}

/** What changes while an incident goes on: who did something, how many there are now, how a job ended. */
const NEWS: ReadonlySet<string> = new Set(['Severity', 'Alerts', 'Last', 'Level']);
const isNews =
  ({ reason, story }: Notice) =>
  ([name]: [string, string]): boolean =>
    name === 'By' ||
    name === 'Took' ||
    (isPage(reason) && NEWS.has(name)) ||
    Object.keys(story?.counts ?? {}).some((count) => oneLine(count) === name);

/** Several alerts, a line each; what is left out is counted. */
function listed({ alerts, more }: Notice): string {
  if (alerts.length + more < 2) return '';
  const shown = alerts.map((alert) => `- ${inline(alertLine(alert, ALERT_TITLE_MAX), ALERT_MAX)}`);
  return paragraphs('### Alerts', [...shown, ...(more > 0 ? [`- … and ${more} more`] : [])].join('\n'));
}

/** What the sender attached, of the first alert that has something. Backticks that could end the block are written as JSON may. */
function context({ alerts }: Notice): string {
  const alert = alerts.find((one) => one.context !== undefined && one.context !== null);
  if (!alert) return '';
  const json = tidy(JSON.stringify(alert.context, null, 2)).replace(/`{3,}/g, (run) => '\\u0060'.repeat(run.length));
  const shown = clip(json, CONTEXT_MAX);
  const left = [...json].length - [...shown].length;
  return paragraphs(
    '### Context',
    alerts.length > 1 ? `Of ${inline(alert.title, ALERT_TITLE_MAX)}` : '',
    `\`\`\`json\n${shown}\n\`\`\``,
    left > 0 ? `Cut: ${plural(left, 'character')} more.` : '',
  );
}

/** The pages that answer it. */
const answersOf = ({ answers = [] }: Notice): Link[] =>
  answers.flatMap(({ label, url }) => (url === undefined ? [] : [{ title: label, url }]));

/** The incident's page, the pages that answer it, dashboards and runbooks. */
const linksOf = (notice: Notice): Link[] => [
  ...(notice.incident.url ? [{ title: 'Open incident', url: notice.incident.url }] : []),
  ...answersOf(notice),
  ...notice.links,
];

function pages(wanted: Link[]): string {
  const items = wanted.flatMap(({ title, url }) => {
    const href = safeLink(url);
    if (href === undefined || href.length > LINK_URL_MAX) return [];
    const shown = inline(title, LINK_TITLE_MAX) || inline(href, LINK_TITLE_MAX);
    return [`- [${shown}](<${href.replace(/[<>\\]/g, encodeURIComponent)}>)`];
  });
  return items.slice(0, LINKS_MAX).join('\n');
}

const footer = ({ incident, reason }: Notice): string =>
  `${line(incident.id, FACT_MAX)} · ${inline(incident.route, FACT_NAME_MAX)} · ${escaped(REASONS[reason])}`;
