/** A notice as title and text that any service can show, in plain text, Markdown or HTML, and never longer than asked for. */
import { isPage, type Notice, REASONS } from '../../core/notice.ts';
import {
  alertLine,
  clip,
  clipEscaped,
  escapeHtml,
  factsOf,
  oneLine,
  plural,
  safeLink,
  tidy,
  toneOf,
} from '../../core/text.ts';

export const FORMATS = ['text', 'markdown', 'html'] as const;
export type Format = (typeof FORMATS)[number];

/** `title_maxlen` of Apprise; services with less cut it themselves: https://appriseit.com/library/python/ */
const TITLE_MAX = 250;
const ID_MAX = 60;
const LINE_MAX = 300;
const LINES_MAX = 10;
const DESCRIPTION_MAX = 600;
const VALUE_MAX = 120;
const NAME_MAX = 40;
const ALERTS_MAX = 10;
const ALERT_TITLE_MAX = 100;
const LINKS_MAX = 8;
const URL_MAX = 1_000;

/**
 * What some service would call people by (`@here`, `<@U1>`, `<!channel>`, `<at>bo</at>`); nobody knows here which one will show
 * it. Apprise itself makes such out of less for Slack: `!channel>` is enough, and `https://example.com|pay>` is a link.
 * Addresses of mail stay whole.
 */
const MENTION = /(?<![\w.+-])@(?=[\w&!])|[@!](?=[^|\s]+[|>])|<(?=[@!#]|\/?at>)/gi;
const NAMED_LINK = /\|(?=[^\n]*>)/g;
/** Breaks a word without being seen. */
const GAP = '\u200b';
const defused = (text: string): string => text.replace(MENTION, `$&${GAP}`).replace(NAMED_LINK, '¦');

/** Where title and text become one, Apprise takes the title for text of the same format: then nothing in it may be markup. */
const UNMARKED: Readonly<Record<string, string>> = { '<': '‹', '>': '›', '[': '(', ']': ')', '`': "'" };

/** `🔴 CRITICAL: API gateway answers 503 (INC-1)`, the same in every format. */
export function titleOf(notice: Notice, format: Format): string {
  const { emoji, word } = toneOf(notice);
  const id = ` (${clip(oneLine(notice.incident.id), ID_MAX)})`;
  const title = defused(`${emoji} ${word}: ${clip(oneLine(notice.headline), TITLE_MAX)}`);
  const shown = format === 'text' ? title : title.replace(/[<>[\]`]/g, (found) => UNMARKED[found] ?? found);
  // UTF-16 units are the strictest way a service may count.
  return `${clipEscaped(shown, TITLE_MAX - id.length, (part) => part)}${id}`;
}

interface Block {
  kind: 'paragraph' | 'list';
  /** Marked up already, each for itself: a text is only ever cut between them. */
  lines: string[];
}

/** How a format writes what the text is made of. */
interface Marks {
  escape(text: string): string;
  strong(escaped: string): string;
  link(title: string, href: string): string;
  block(block: Block): string;
  between: string;
}

const MARKS: Readonly<Record<Format, Marks>> = {
  text: {
    escape: (text) => text,
    strong: (text) => text,
    link: (title, href) => (title === '' ? href : `${title}: ${href}`),
    block: ({ kind, lines }) => lines.map((line) => (kind === 'list' ? `- ${line}` : line)).join('\n'),
    between: '\n\n',
  },
  markdown: {
    // Entities besides backslashes: not every Markdown knows `\<`. The gap keeps a line from beginning a list or a heading.
    escape: (text) =>
      text
        .replace(/[\\`*_[\]]/g, '\\$&')
        .replace(/[&<>]/g, escapeHtml)
        .replace(/^(?=[-+=#~|]|\d+[.)])/, GAP),
    strong: (text) => `**${text}**`,
    link: (title, href) => `[${title || 'link'}](${href.replace(/[()]/g, (found) => (found === '(' ? '%28' : '%29'))})`,
    // Two spaces at the end of a line break it.
    block: ({ kind, lines }) => (kind === 'list' ? lines.map((line) => `- ${line}`).join('\n') : lines.join('  \n')),
    between: '\n\n',
  },
  html: {
    escape: escapeHtml,
    strong: (text) => `<b>${text}</b>`,
    link: (title, href) => `<a href="${escapeHtml(href)}">${title || escapeHtml(href)}</a>`,
    block: ({ kind, lines }) =>
      kind === 'list' ? `<ul>${lines.map((line) => `<li>${line}</li>`).join('')}</ul>` : `<p>${lines.join('<br>')}</p>`,
    between: '\n',
  },
};

/** The text in at most `max` characters: what matters most comes first, and what does not fit is left out, saying so. */
export function bodyOf(notice: Notice, format: Format, max: number): string {
  const marks = MARKS[format];
  const written = (blocks: Block[]): string => blocks.map(marks.block).join(marks.between);
  const cut: Block = { kind: 'paragraph', lines: [marks.escape('… cut here, as it is longer than may be sent')] };
  const kept: Block[] = [];
  for (const { kind, lines } of blocksOf(notice, marks)) {
    const block: Block = { kind, lines: [] };
    kept.push(block);
    for (const line of lines) {
      block.lines.push(line);
      if (written([...kept, cut]).length <= max) continue;
      block.lines.pop();
      if (block.lines.length === 0) kept.pop();
      return written([...kept, cut]);
    }
    if (block.lines.length === 0) kept.pop();
  }
  return written(kept);
}

/** Everything for a page; only what is new otherwise. */
function blocksOf(notice: Notice, marks: Marks): Block[] {
  const { alerts, more, story } = notice;
  const isWhole = isPage(notice.reason) || story?.phase === 'start' || notice.reason === 'test';
  const say = (text: string, max: number): string => marks.escape(defused(clip(oneLine(text), max)));
  const paragraph = (lines: string[]): Block => ({ kind: 'paragraph', lines });
  const list = (lines: string[]): Block => ({ kind: 'list', lines });

  const facts = factsOf(notice).filter(([name]) => isWhole || isOutcome(notice, name));
  const shown = alerts.length + more > 1 ? alerts.slice(0, ALERTS_MAX) : [];
  const left = alerts.length + more - shown.length;
  const said = notice.lines.slice(0, LINES_MAX).map((line) => say(line, LINE_MAX));
  const description = isWhole && alerts.length + more === 1 ? (alerts[0]?.body ?? '') : '';
  return [
    paragraph(said),
    paragraph(
      clip(tidy(description), DESCRIPTION_MAX)
        .split('\n')
        .map((line) => say(line, LINE_MAX))
        .filter((line) => line !== ''),
    ),
    paragraph(linksOf(notice, isWhole).map(({ title, href }) => marks.link(say(title, NAME_MAX), href))),
    list(facts.map(([name, value]) => `${marks.strong(`${say(name, NAME_MAX)}:`)} ${say(value, VALUE_MAX)}`)),
    list([
      ...(isWhole ? shown.map((alert) => say(alertLine(alert, ALERT_TITLE_MAX), LINE_MAX)) : []),
      ...(isWhole && shown.length > 0 && left > 0 ? [say(`… and ${plural(left, 'alert')} more`, LINE_MAX)] : []),
    ]),
    paragraph([say(`Why: ${REASONS[notice.reason]}`, LINE_MAX)]),
  ];
}

/** What a story's end has to tell beside its lines. */
const isOutcome = ({ story }: Notice, name: string): boolean =>
  story?.phase === 'end' &&
  (name === 'Took' || Object.keys(story.counts ?? {}).some((count) => oneLine(count) === name));

/** The answers first: that is what a page is for. */
function linksOf(
  { answers = [], incident, links, reason }: Notice,
  isWhole: boolean,
): { title: string; href: string }[] {
  const wanted = [
    ...answers.flatMap(({ label, url }) => (url === undefined ? [] : [{ title: label, url }])),
    ...(incident.url === undefined ? [] : [{ title: 'Open incident', url: incident.url }]),
    ...(isWhole || reason === 'summary' ? links : []),
  ];
  return wanted.slice(0, LINKS_MAX).flatMap(({ title, url }) => {
    const href = safeLink(url)?.replaceAll('|', '%7C');
    return href === undefined || href.length > URL_MAX ? [] : [{ title, href }];
  });
}
