/** A notice as an Adaptive Card in the envelope that a Teams workflow takes, cut until Teams keeps it. */
import { type Notice, REASONS } from '../../core/notice.ts';
import { alertLine, clipEscaped, factsOf, type Meaning, oneLine, safeLink, tidy, toneOf } from '../../core/text.ts';

/**
 * About 28 KB for a message with all its markup; a larger one is taken by the workflow and refused by Teams, of which
 * nobody hears. Bytes of which encoding is not said, and a limit of 14 KB was reported (prometheus-msteams#12): both ways to
 * count must hold. 1 KB is left for what the workflow adds.
 * https://learn.microsoft.com/connectors/teams/#known-issues-and-limitations-with-actions
 */
const SIZE_MAX = 27 * 1_024;
/** Six actions are shown side by side: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference */
const ACTIONS_MAX = 6;

// Our own budgets.
const TITLE_MAX = 300;
const FALLBACK_MAX = 500;
const NAME_MAX = 60;
const ACTION_TITLE_MAX = 60;
const FOOTER_MAX = 300;
const URL_MAX = 1_000;
const ALERT_TITLE_MAX = 120;

/** How much of each is shown: the first that fits is sent. The last fits always. */
const WIDTHS = [
  { said: 1_500, lines: 30, value: 200, facts: 40, alerts: 20, actions: ACTIONS_MAX },
  { said: 800, lines: 15, value: 120, facts: 20, alerts: 10, actions: ACTIONS_MAX },
  { said: 300, lines: 5, value: 80, facts: 10, alerts: 3, actions: 4 },
  { said: 100, lines: 2, value: 60, facts: 6, alerts: 0, actions: 3 },
] as const;
type Width = (typeof WIDTHS)[number];

/** Teams' own colours: only these follow the reader's theme. */
type Style = 'attention' | 'warning' | 'accent' | 'good' | 'emphasis';
const STYLES: Record<Meaning, Style> = {
  error: 'attention',
  warning: 'warning',
  success: 'good',
  info: 'accent',
  quiet: 'emphasis',
};

interface TextRun {
  type: 'TextRun';
  text: string;
  weight?: 'Bolder';
  size?: 'Large' | 'Small';
  isSubtle?: true;
}
/** Text without Markdown: what a sender wrote can neither be a link nor look like ours. */
interface RichTextBlock {
  type: 'RichTextBlock';
  inlines: TextRun[];
  spacing?: 'None' | 'Medium';
}
interface Container {
  type: 'Container';
  style: Style;
  bleed: true;
  items: RichTextBlock[];
}
interface OpenUrl {
  type: 'Action.OpenUrl';
  title: string;
  url: string;
}
interface Card {
  $schema: 'http://adaptivecards.io/schemas/adaptive-card.json';
  type: 'AdaptiveCard';
  version: '1.4';
  fallbackText: string;
  body: (Container | RichTextBlock)[];
  actions?: OpenUrl[];
  /** Teams' addition: as wide as the conversation. */
  msteams: { width: 'Full' };
}

/** The body of the request, as the template "Send webhook alerts to a channel" expects it. */
export interface TeamsMessage {
  type: 'message';
  attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive'; contentUrl: null; content: Card }];
  /** No part of the template: for workflows that want to recognise a repeat. */
  delivery_id: string;
}

/** The message, as much of it as Teams keeps. */
export function teamsMessage(notice: Notice): TeamsMessage {
  let message: TeamsMessage | undefined;
  for (const width of WIDTHS) {
    message = messageOf(notice, width, width !== WIDTHS[0]);
    if (sizeOf(message) <= SIZE_MAX) break;
  }
  return message ?? messageOf(notice, WIDTHS[3], true);
}

/** In bytes, by whichever encoding is longer. */
function sizeOf(message: unknown): number {
  const text = JSON.stringify(message);
  return Math.max(Buffer.byteLength(text), text.length * 2);
}

function messageOf(notice: Notice, width: Width, isCut: boolean): TeamsMessage {
  const { emoji, word } = toneOf(notice);
  const links = actions(notice, width.actions);
  const headline = plain(notice.headline, TITLE_MAX);
  const content: Card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    // Shown by clients that know no cards of this version, as Markdown: a sender's link is none when its halves are apart.
    fallbackText: plain(`${emoji} ${word} ${headline} (${notice.incident.id})`.replaceAll('](', '] ('), FALLBACK_MAX),
    body: [
      heading(notice, headline),
      ...said(notice, width),
      ...facts(notice, width),
      ...listed(notice, width),
      footer(notice, isCut),
    ],
    ...(links.length === 0 ? {} : { actions: links }),
    msteams: { width: 'Full' },
  };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }],
    delivery_id: notice.delivery.key,
  };
}

const plain = (text: string, max: number): string => clipEscaped(oneLine(text), max, (part) => part);

const line = (text: string, more: Partial<RichTextBlock> = {}): RichTextBlock => ({
  type: 'RichTextBlock',
  inlines: [{ type: 'TextRun', text }],
  ...more,
});

/** What has become of it, and the headline, on its colour; the incident's title where the headline is another. */
function heading(notice: Notice, headline: string): Container {
  const { emoji, word, means } = toneOf(notice);
  const title = plain(notice.incident.title, TITLE_MAX);
  const said = headline.toUpperCase().startsWith(word) ? headline : `${word} · ${headline}`;
  return {
    type: 'Container',
    style: STYLES[means],
    bleed: true,
    items: [
      {
        type: 'RichTextBlock',
        inlines: [{ type: 'TextRun', text: `${emoji} ${said}`, weight: 'Bolder', size: 'Large' }],
      },
      ...(title === '' || title === headline ? [] : [line(title, { spacing: 'None' })]),
    ],
  };
}

/** The notice's own lines and, for a lone alert, the sender's description; a block each, for a run of text has no line breaks. */
function said({ lines, alerts }: Notice, { said: max, lines: most }: Width): RichTextBlock[] {
  const [lone] = alerts;
  const text = [...lines.map(oneLine), ...(lone?.body && alerts.length === 1 ? [tidy(lone.body)] : [])].join('\n');
  const parts = clipEscaped(text, max, (part) => part)
    .split('\n')
    .filter((part) => part.trim() !== '');
  const shown = parts.length > most ? [...parts.slice(0, most - 1), '…'] : parts;
  return shown.map((part, index) => line(part, index === 0 ? {} : { spacing: 'None' }));
}

function facts(notice: Notice, { facts: max, value: longest }: Width): RichTextBlock[] {
  return factsOf(notice)
    .slice(0, max)
    .map(([name, value], index) => ({
      type: 'RichTextBlock',
      inlines: [
        { type: 'TextRun', text: `${plain(name, NAME_MAX)}: `, weight: 'Bolder' },
        { type: 'TextRun', text: plain(value, longest) },
      ],
      spacing: index === 0 ? 'Medium' : 'None',
    }));
}

/** Several alerts, a line each; what is left out is counted. */
function listed({ alerts, more }: Notice, { alerts: max }: Width): RichTextBlock[] {
  if (alerts.length + more < 2) return [];
  const shown = alerts.slice(0, max).map((alert) => `• ${alertLine(alert, ALERT_TITLE_MAX)}`);
  const left = alerts.length - shown.length + more;
  return [...shown, ...(left > 0 ? [`… and ${left} more`] : [])].map((text, index) =>
    line(text, { spacing: index === 0 ? 'Medium' : 'None' }),
  );
}

function footer({ incident, reason }: Notice, isCut: boolean): RichTextBlock {
  const cut = isCut ? ' · cut: Teams keeps no more' : '';
  const text = plain(`${plain(incident.id, 60)} · ${plain(incident.route, 60)} · ${REASONS[reason]}${cut}`, FOOTER_MAX);
  return {
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text, size: 'Small', isSubtle: true }],
    spacing: 'Medium',
  };
}

/** Answers first, then the incident's page and the links: a card of a workflow can only open addresses. */
function actions({ answers = [], incident, links }: Notice, max: number): OpenUrl[] {
  const wanted = [
    ...answers.flatMap(({ label, url }) => (url === undefined ? [] : [{ title: label, url }])),
    ...(incident.url ? [{ title: 'Open incident', url: incident.url }] : []),
    ...links,
  ];
  return wanted
    .flatMap(({ title, url }): OpenUrl[] => {
      const safe = safeLink(url);
      const href = safe === undefined ? undefined : uriOf(safe);
      if (href === undefined || href.length > URL_MAX) return [];
      return [{ type: 'Action.OpenUrl', title: plain(oneLine(title) || href, ACTION_TITLE_MAX), url: href }];
    })
    .slice(0, max);
}

/**
 * As RFC 3986 has it, which is what the schema of Adaptive Cards asks of an address: browsers leave `|`, `{`, a lone `%`
 * and others as they are. Brackets stay in the host alone, around an IPv6 address.
 */
function uriOf(href: string): string {
  const [, origin = '', path = '', fragment = ''] = /^([a-z]+:(?:\/\/[^/?#]*)?)([^#]*)(?:#(.*))?$/.exec(href) ?? [];
  const written = (text: string): string =>
    text.replace(
      /%(?![\dA-Fa-f]{2})|[^\w.~:/?@!$&'()*+,;=%-]/g,
      (found) => `%${found.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
  const host = origin.split(/([[\]])/).map((part) => (/^[[\]]$/.test(part) ? part : written(part)));
  return `${host.join('')}${written(path)}${fragment === '' ? '' : `#${written(fragment)}`}`;
}
