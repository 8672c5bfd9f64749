/** A notice as an Atlassian document (ADF): the description of an issue, and the comments below it. */
import type { Link } from '../../core/event.ts';
import { isPage, type Notice, REASONS } from '../../core/notice.ts';
import { alertLine, clip, factsOf, type Meaning, oneLine, plural, safeLink, tidy, toneOf } from '../../core/text.ts';

/**
 * Jira takes 32,767 characters in a text field (https://jira.atlassian.com/browse/JRACLOUD-78553). Whether that counts
 * the text or the JSON around it is not documented, so the JSON is held to it.
 */
export const DOCUMENT_MAX = 32_767;

// Our own budgets, in characters. Where the document is too long all the same, each is taken by less.
const HEADLINE_MAX = 400;
const SAID_MAX = 3_000;
const BODY_MAX = 4_000;
const FACT_NAME_MAX = 40;
const FACT_MAX = 300;
const FACTS_MAX = 30;
const ALERT_TITLE_MAX = 160;
const CONTEXT_MAX = 8_000;
const LINKS_MAX = 8;
const LINK_TITLE_MAX = 120;
const LINK_URL_MAX = 2_000;
const SHARES = [0.6, 0.3, 0.1];

type Mark = { type: 'strong' } | { type: 'link'; attrs: { href: string } };
type Inline = { type: 'text'; text: string; marks?: Mark[] } | { type: 'hardBreak' };
type Paragraph = { type: 'paragraph'; content: Inline[] };
type Block =
  | Paragraph
  | { type: 'panel'; attrs: { panelType: PanelType }; content: Paragraph[] }
  | { type: 'heading'; attrs: { level: 3 }; content: Inline[] }
  | { type: 'bulletList'; content: { type: 'listItem'; content: Paragraph[] }[] }
  | { type: 'codeBlock'; attrs: { language: string }; content: Inline[] };
type PanelType = 'info' | 'note' | 'warning' | 'error' | 'success';
const PANELS: Record<Meaning, PanelType> = {
  error: 'error',
  warning: 'warning',
  success: 'success',
  info: 'info',
  quiet: 'note',
};

/** https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/ */
export type Document = { type: 'doc'; version: 1; content: Block[] };

/** How much of a budget may be used: all of it, or a share where the document would be too long. */
type Room = (max: number) => number;

/** What the issue says: everything there is to know when it is opened. `mark` is what the delivery is found by. */
export const descriptionOf = (notice: Notice, mark: string): Document =>
  fitted((room) => [
    panel(notice, room),
    ...said(notice, room),
    ...facts(factsOf(notice), room),
    ...listed(notice, room),
    ...context(notice, room),
    ...section('Links', pages(linksOf(notice), room)),
    footer(notice, mark),
  ]);

/** What is said below it, as short as can be: the description above has the rest. */
export const commentOf = (notice: Notice, mark: string): Document =>
  fitted((room) => [
    panel(notice, room),
    ...said({ ...notice, alerts: [] }, room),
    ...facts(factsOf(notice).filter(isNews(notice)), room),
    ...(isPage(notice.reason) ? listed(notice, room) : []),
    ...pages(answersOf(notice), room),
    footer(notice, mark),
  ]);

/** Plain text of any length as a document: for custom fields of several lines. */
export const documentOf = (words: string): Document => fitted((room) => paragraphOf(clip(tidy(words), room(BODY_MAX))));

function fitted(build: (room: Room) => Block[]): Document {
  const at = (share: number): Document => ({
    type: 'doc',
    version: 1,
    content: build((max) => Math.max(1, Math.floor(max * share))),
  });
  let document = at(1);
  for (const share of SHARES) {
    if (JSON.stringify(document).length <= DOCUMENT_MAX) break;
    document = at(share);
  }
  return document;
}

/** ADF knows no empty text. */
const text = (words: string, ...marks: Mark[]): Inline[] =>
  words === '' ? [] : [{ type: 'text', text: words, ...(marks.length ? { marks } : {}) }];

/** Line by line, as ADF breaks lines: a newline within a text is shown as a space. */
const paragraphOf = (words: string): Paragraph[] => {
  const content = words
    .split('\n')
    .flatMap((line, at): Inline[] => [...(at === 0 ? [] : [{ type: 'hardBreak' } as const]), ...text(line)]);
  return words.trim() === '' ? [] : [{ type: 'paragraph', content }];
};

const heading = (words: string): Block => ({ type: 'heading', attrs: { level: 3 }, content: text(words) });
/** Nothing where there is nothing below the heading. */
const section = (words: string, content: Block[]): Block[] =>
  content.length === 0 ? [] : [heading(words), ...content];
const bullets = (items: Inline[][]): Block[] =>
  items.length === 0
    ? []
    : [
        {
          type: 'bulletList',
          content: items.map((content) => ({ type: 'listItem', content: [{ type: 'paragraph', content }] })),
        },
      ];

/** The line a person reads first, on the ground that Jira paints for such news. */
function panel(notice: Notice, room: Room): Block {
  const { emoji, word, means } = toneOf(notice);
  const line = `${emoji} ${word} · ${clip(oneLine(notice.headline), room(HEADLINE_MAX))}`;
  return {
    type: 'panel',
    attrs: { panelType: PANELS[means] },
    content: [{ type: 'paragraph', content: text(line, { type: 'strong' }) }],
  };
}

/** The notice's own lines and, for a lone alert, the sender's description. */
function said({ lines, alerts }: Notice, room: Room): Block[] {
  const [lone] = alerts;
  const spoken = lines
    .map(oneLine)
    .filter((line) => line !== '')
    .join('\n');
  const body = lone?.body && alerts.length === 1 ? tidy(lone.body).trim() : '';
  return [...paragraphOf(clip(spoken, room(SAID_MAX))), ...paragraphOf(clip(body, room(BODY_MAX)))];
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

function facts(all: [string, string][], room: Room): Block[] {
  const content = all
    .slice(0, FACTS_MAX)
    .flatMap(([name, value], at): Inline[] => [
      ...(at === 0 ? [] : [{ type: 'hardBreak' } as const]),
      ...text(clip(name, FACT_NAME_MAX), { type: 'strong' }),
      ...text(`: ${clip(value, room(FACT_MAX))}`),
    ]);
  return content.length === 0 ? [] : [{ type: 'paragraph', content }];
}

/** Several alerts, a line each; what is left out is counted. */
function listed({ alerts, more }: Notice, room: Room): Block[] {
  if (alerts.length + more < 2) return [];
  const shown = alerts.slice(0, room(alerts.length));
  const left = alerts.length - shown.length + more;
  const lines = shown.map((alert) => text(alertLine(alert, room(ALERT_TITLE_MAX))));
  return [heading('Alerts'), ...bullets([...lines, ...(left > 0 ? [text(`… and ${left} more`)] : [])])];
}

/** What the sender attached, of the first alert that has something. */
function context({ alerts }: Notice, room: Room): Block[] {
  const alert = alerts.find((one) => one.context !== undefined && one.context !== null);
  if (!alert) return [];
  const json = tidy(JSON.stringify(alert.context, null, 2));
  const shown = clip(json, room(CONTEXT_MAX));
  const left = [...json].length - [...shown].length;
  return [
    heading('Context'),
    ...(alerts.length > 1 ? paragraphOf(`Of ${clip(oneLine(alert.title), room(ALERT_TITLE_MAX))}`) : []),
    { type: 'codeBlock', attrs: { language: 'json' }, content: text(shown) },
    ...(left > 0 ? paragraphOf(`Cut: ${plural(left, 'character')} more.`) : []),
  ];
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

function pages(wanted: Link[], room: Room): Block[] {
  const items = wanted.flatMap(({ title, url }): Inline[][] => {
    const href = safeLink(url);
    if (href === undefined || href.length > LINK_URL_MAX) return [];
    return [text(clip(oneLine(title) || href, LINK_TITLE_MAX), { type: 'link', attrs: { href } })];
  });
  return bullets(items.slice(0, room(LINKS_MAX)));
}

const footer = ({ incident, reason }: Notice, mark: string): Block => ({
  type: 'paragraph',
  content: text(
    `${clip(oneLine(incident.id), FACT_MAX)} · ${clip(oneLine(incident.route), FACT_NAME_MAX)} · ${REASONS[reason]} · ${mark}`,
  ),
});
