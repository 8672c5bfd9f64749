/** A notice as a message of Telegram in HTML: what people read in at most 4,096 characters, and the buttons below it. */
import { type Notice, REASONS } from '../../core/notice.ts';
import {
  alertLine,
  buttonLink,
  clip,
  clipEscaped,
  escapeHtml,
  factsOf,
  oneLine,
  safeLink,
  tidy,
  toneOf,
} from '../../core/text.ts';

// https://core.telegram.org/bots/api#sendmessage, after entities are parsed; counted in UTF-16 units, the strictest way.
const TEXT_MAX = 4_096;
/** https://core.telegram.org/bots/api#inlinekeyboardbutton, in bytes. */
const CALLBACK_DATA_MAX = 64;

// Our own budgets. What comes first and last has its place; the rest fills what is left in the order a person asks.
const TITLE_MAX = 250;
const SAID_MAX = 600;
const BODY_MAX = 900;
const NAME_MAX = 40;
const VALUE_MAX = 150;
const ALERT_TITLE_MAX = 120;
const LINKS_MAX = 8;
const LINK_TITLE_MAX = 60;
const URL_MAX = 2_000;
const BECAUSE_MAX = 250;
const BUTTON_MAX = 40;
/** As many words as a phone shows side by side. */
const ROW_MAX = 2;

type Button = { text: string; callback_data: string } | { text: string; url: string };

/** The part of sendMessage and editMessageText that is the same for both. */
export interface TelegramText {
  text: string;
  parse_mode: 'HTML';
  link_preview_options: { is_disabled: true };
  reply_markup?: { inline_keyboard: Button[][] };
}

/** Text in HTML, and how long it is once Telegram has parsed it. */
interface Piece {
  html: string;
  size: number;
}

/** An invisible joiner after the `@`: a name in an alert must not call the person of that name. Addresses of mail stay whole. */
const quiet = (text: string): string => text.replace(/(?<!\w)@(?=\w)/g, '@\u2060');

const said = (text: string, max: number): Piece => {
  const cut = clipEscaped(quiet(text), max, (part) => part);
  return { html: escapeHtml(cut), size: cut.length };
};
const tagged = (tag: string, { html, size }: Piece): Piece => ({
  html: `<${tag}>${html}</${tag.replace(/ .*/, '')}>`,
  size,
});
const joined = (pieces: Piece[], between: string): Piece => ({
  html: pieces.map(({ html }) => html).join(between),
  size: pieces.reduce((sum, { size }) => sum + size, 0) + Math.max(0, pieces.length - 1) * between.length,
});

export type Form = 'root' | 'page' | 'reply';

/**
 * `root` is the first message and its later edits, titled by the incident; `page` says everything and is titled by the
 * headline; `reply` only what is new. `presses`: whether a pressed button reaches us; without it answers are links. Without
 * buttons at all, for a Telegram that refuses them, links stand in the text.
 */
export function telegramText(notice: Notice, form: Form, presses: boolean, hasButtons = true): TelegramText {
  const { emoji, word } = toneOf(notice);
  const headline = oneLine(notice.headline);
  const title = form === 'root' ? oneLine(notice.incident.title) || headline : headline;
  // A reply says itself what has happened: `✅ Resolved after 12 min`.
  const head = tagged('b', said(`${emoji} ${form === 'reply' ? '' : `${word}: `}${title}`, TITLE_MAX));
  const links = form === 'reply' && notice.reason !== 'summary' ? [] : linksOf(notice);
  const foot = [
    ...named(links.filter(({ button }) => !(hasButtons && button))),
    tagged('i', said(because(notice), BECAUSE_MAX)),
  ];
  const details = form === 'reply' ? lines(notice) : [...lines(notice, title), ...facts(notice), ...alerts(notice)];
  const room = TEXT_MAX - head.size - foot.reduce((sum, { size }) => sum + size + 1, 0) - 2;
  const rows = hasButtons ? [answersOf(notice, presses), ...inRows(links.flatMap(({ button }) => button ?? []))] : [];
  const inline_keyboard = rows.filter((row) => row.length > 0);
  return {
    text: joined([head, ...fitting(details, room, notice), ...foot], '\n').html,
    parse_mode: 'HTML',
    link_preview_options: { is_disabled: true },
    ...(inline_keyboard.length === 0 ? {} : { reply_markup: { inline_keyboard } }),
  };
}

/** As many of the pieces as have room; what is left out is said, the alerts among it counted. */
function fitting(pieces: (Piece & { alert?: true })[], room: number, { alerts, more }: Notice): Piece[] {
  const several = alerts.length + more > 1;
  const ending = `… and ${alerts.length + more} more`.length + 1;
  const kept: Piece[] = [];
  let left = room - ending;
  let shown = 0;
  for (const piece of pieces) {
    if (piece.size + 1 > left) break;
    kept.push(piece);
    left -= piece.size + 1;
    if (piece.alert) shown++;
  }
  const isListed = several && pieces.some(({ alert }) => alert);
  const unseen = isListed ? alerts.length + more - shown : 0;
  if (unseen > 0) kept.push(said(`… and ${unseen} more`, ending));
  else if (kept.length < pieces.length) kept.push(said('… cut here', ending));
  return kept;
}

/** The notice's own lines and, for a lone alert, the sender's description. */
function lines(notice: Notice, title?: string): Piece[] {
  const text = [...(title === undefined ? [] : namesOf(notice, title)), ...notice.lines.map(oneLine)]
    .filter((line) => line !== '')
    .join('\n');
  const [lone] = notice.alerts;
  const isShown = title !== undefined || notice.story !== undefined;
  const body = isShown && notice.alerts.length + notice.more === 1 ? tidy(lone?.body ?? '').trim() : '';
  const outcome = title === undefined && notice.story?.phase === 'end' ? facts(notice, outcomeOf(notice)) : [];
  return [
    ...(text === '' ? [] : [said(text, SAID_MAX)]),
    ...outcome,
    ...(body === '' ? [] : [tagged('blockquote expandable', said(body, BODY_MAX))]),
  ];
}

/** Headline and title as far as they are not said yet: a target of a later level has no first message that names the incident. */
function namesOf({ headline, incident, pattern }: Notice, title: string): string[] {
  // Of many alike alerts the title is only the first one's, and the pattern stands in the lines.
  const names = [oneLine(headline), pattern === undefined ? oneLine(incident.title) : ''];
  return [...new Set(names)].filter((name) => !title.includes(name));
}

/** What a story's end has to tell beside its lines: how long it took, and its counts. */
const outcomeOf = ({ story }: Notice): ReadonlySet<string> =>
  new Set(['Took', ...Object.keys(story?.counts ?? {}).map(oneLine)]);

const facts = (notice: Notice, only?: ReadonlySet<string>): Piece[] =>
  factsOf(notice)
    .filter(([name]) => only?.has(name) ?? true)
    .map(([name, value]) => joined([tagged('b', said(name, NAME_MAX)), said(value, VALUE_MAX)], ': '));

const alerts = ({ alerts, more }: Notice): (Piece & { alert: true })[] =>
  alerts.length + more < 2
    ? []
    : alerts.map((alert) => ({ ...said(`• ${alertLine(alert, ALERT_TITLE_MAX)}`, 3 * ALERT_TITLE_MAX), alert: true }));

interface TelegramLink {
  title: string;
  href: string;
  /** Absent where Telegram would refuse its address. */
  button?: Button;
}

/** The incident's page and the first links. */
function linksOf({ incident, links }: Notice): TelegramLink[] {
  const wanted = [...(incident.url ? [{ title: 'Open incident', url: incident.url }] : []), ...links];
  return wanted.slice(0, LINKS_MAX).flatMap((link): TelegramLink[] => {
    const href = safeLink(link.url);
    if (href === undefined || href.length > URL_MAX) return [];
    const title = oneLine(link.title) || href;
    const url = buttonLink(href, URL_MAX);
    return [{ title, href, ...(url === undefined ? {} : { button: { text: clip(title, BUTTON_MAX), url } }) }];
  });
}

/** In the text, on one line. */
function named(links: TelegramLink[]): Piece[] {
  const shown = links.map(({ title, href }): Piece => {
    const text = said(title, LINK_TITLE_MAX);
    return { html: `<a href="${escapeHtml(href)}">${text.html}</a>`, size: text.size };
  });
  return shown.length === 0 ? [] : [joined(shown, ' · ')];
}

const inRows = (buttons: Button[]): Button[][] =>
  Array.from({ length: Math.ceil(buttons.length / ROW_MAX) }, (_, row) =>
    buttons.slice(row * ROW_MAX, (row + 1) * ROW_MAX),
  );

const because = ({ incident, reason }: Notice): string =>
  `${clip(oneLine(incident.id), 60)} · ${clip(oneLine(incident.route), 60)} · ${REASONS[reason]}`;

function answersOf({ answers = [] }: Notice, presses: boolean): Button[] {
  return answers.flatMap(({ label, token, url }): Button[] => {
    const text = clip(oneLine(label), BUTTON_MAX);
    const bytes = Buffer.byteLength(token);
    if (presses && bytes > 0 && bytes <= CALLBACK_DATA_MAX) return [{ text, callback_data: token }];
    const href = url === undefined ? undefined : buttonLink(url, URL_MAX);
    return href === undefined ? [] : [{ text, url: href }];
  });
}

/** The same without markup, for a Telegram that refuses it: every `<` of the text is a tag of ours. */
export const withoutMarkup = (html: string): string =>
  html
    .replace(/<[^>]*>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&');

/** Plain words of ours for a person, without calling anybody else. */
export const plainWords = (words: string, max: number): string =>
  clipEscaped(quiet(oneLine(words)), max, (part) => part);
