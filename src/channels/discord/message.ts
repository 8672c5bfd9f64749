/** A notice as a Discord message: one line that a phone shows, and one embed with the rest. */
import { WIDE_FACTS } from '../../core/ci.ts';
import type { Link } from '../../core/event.ts';
import { type Notice, REASONS } from '../../core/notice.ts';
import {
  alertLine,
  buttonLink,
  clipEscaped,
  factsOf,
  type Meaning,
  oneLine,
  safeLink,
  tidy,
  toneOf,
} from '../../core/text.ts';

// Limits: https://docs.discord.com/developers/resources/message#embed-object-embed-limits
const TITLE_MAX = 256;
const DESCRIPTION_MAX = 4_096;
const FIELDS_MAX = 25;
/** Title, description, footer, names and values of all fields together. */
const EMBED_MAX = 6_000;

// Limits of buttons: https://docs.discord.com/developers/components/reference#button and #action-row
const ROW_MAX = 5;
const BUTTON_URL_MAX = 512;

// Our own budgets: what is left of EMBED_MAX goes to the description.
const HEADLINE_MAX = 400; // The content may have 2,000.
const NAME_MAX = 60;
const VALUE_MAX = 200;
const FACTS_MAX = 1_700;
const ANSWERS_MAX = 900; // Below the 1,024 of a field's value, as are links.
const LINKS_MAX = 700;
const LINKS_COUNT = 8;
const LINK_TITLE_MAX = 60; // A button may have 80.
const FOOTER_MAX = 300;
const SAID_MAX = 1_200;
const ALERT_TITLE_MAX = 120;

/** Seed 003's colours of embeds; it has none for what somebody has already answered. */
const EMBED_COLOURS: Record<Meaning, number> = {
  success: 0x00ff00,
  warning: 0xffaa00,
  error: 0xff0000,
  info: 0x0099ff,
  quiet: 0x8a8f98,
};

interface Field {
  name: string;
  value: string;
  inline: boolean;
}
interface Embed {
  title?: string;
  description?: string;
  color: number;
  fields: Field[];
  footer: { text: string };
  timestamp?: string;
}

/** A link button. */
interface Button {
  type: 2;
  style: 5;
  label: string;
  url: string;
}

interface Row {
  type: 1;
  components: Button[];
}

/** The body of Execute Webhook and Edit Webhook Message. */
export interface DiscordMessage {
  content: string;
  embeds: [Embed];
  /** Nobody: an edit without it would read the text for mentions again. */
  allowed_mentions: { parse: [] };
  /** Rows of buttons; empty to take away what an edit finds. */
  components: Row[];
}

/**
 * Everything that Discord's Markdown reads: emphasis, code, spoilers, links, mentions, headings, quotes.
 * A backslash takes the meaning from any of these.
 */
const escapeMarkdown = (text: string): string => text.replace(/[\\*_~`|[\]<>#@]/g, '\\$&');
/** In the content an address would also be unfurled, which asks a stranger's server for a preview. */
const escapeContent = (text: string): string => escapeMarkdown(text).replaceAll('/', '\\/');
const asItIs = (text: string): string => text;

const escaped = (text: string, max: number): string => clipEscaped(text, max, escapeMarkdown);
/** Where Discord reads no Markdown: footers and names of threads. */
const plain = (text: string, max: number): string => clipEscaped(oneLine(text), max, asItIs);

/**
 * The message, the same for a page and for what the first message becomes by an edit. Answers and links are buttons that
 * open an address, which any webhook may have (discord/discord-api-docs#7368); those that tell who pressed them are for
 * webhooks of applications. Without buttons, for a Discord that refuses them, all links stand in the text.
 */
export function discordMessage(notice: Notice, hasButtons = true): DiscordMessage {
  const asked = parted(answersOf(notice), hasButtons);
  const linked = parted(linksOf(notice), hasButtons);
  const title = escaped(titleOf(notice), TITLE_MAX);
  const facts = inFields(factsOf(notice));
  const fields = [
    ...facts.fields,
    ...inOneField('Answer', asked.written, ANSWERS_MAX),
    ...inOneField('Links', linked.written, LINKS_MAX),
  ];
  const text = footer(notice, facts.left);
  const used = fields.reduce((sum, { name, value }) => sum + name.length + value.length, title.length + text.length);
  const about = description(notice, Math.min(DESCRIPTION_MAX, EMBED_MAX - used));
  const at = Date.parse(notice.at);
  return {
    content: firstLine(notice),
    embeds: [
      {
        ...(title === '' ? {} : { title }),
        ...(about === '' ? {} : { description: about }),
        color: EMBED_COLOURS[toneOf(notice).means],
        fields,
        footer: { text },
        ...(Number.isNaN(at) ? {} : { timestamp: new Date(at).toISOString() }),
      },
    ],
    allowed_mentions: { parse: [] },
    components: [...inRows(asked.buttons), ...inRows(linked.buttons)],
  };
}

/** The name of an incident's post in a forum. */
export const threadName = (notice: Notice, max: number): string => {
  const id = ` (${plain(notice.incident.id, 30)})`;
  return `${plain(`${toneOf(notice).emoji} ${oneLine(notice.incident.title) || notice.headline}`, max - id.length)}${id}`;
};

/** What a phone shows: `🔴 CRITICAL API gateway answers 503 (INC-1)`. The word is left out where the headline begins with it. */
function firstLine(notice: Notice): string {
  const { emoji, word } = toneOf(notice);
  const headline = oneLine(notice.headline);
  const begins = headline.toUpperCase().startsWith(word);
  const said = clipEscaped(`${begins ? '' : `${word} `}${headline}`, HEADLINE_MAX, escapeContent);
  return `${emoji} ${said} (${escapeContent(plain(notice.incident.id, 60))})`;
}

/** The incident's title, where the line above the embed does not say it already. */
const titleOf = ({ incident, headline }: Notice): string => {
  const title = oneLine(incident.title);
  return title === oneLine(headline) ? '' : title;
};

/** The notice's own lines, a lone alert's description, and several alerts a line each: what does not fit is counted. */
function description({ lines, alerts, more }: Notice, room: number): string {
  const [lone] = alerts;
  const said = [...lines.map(oneLine), ...(lone?.body && alerts.length === 1 ? [tidy(lone.body)] : [])]
    .filter((line) => line !== '')
    .join('\n');
  const text = escaped(said, Math.min(SAID_MAX, room));
  if (alerts.length + more < 2) return text;

  const shown: string[] = [];
  const rest = (): string => {
    const left = alerts.length - shown.length + more;
    return left > 0 ? `\n… and ${left} more` : '';
  };
  let size = text.length + 2;
  for (const alert of alerts) {
    const line = `• ${escapeMarkdown(alertLine(alert, ALERT_TITLE_MAX))}`;
    if (size + line.length + 1 + rest().length > room) break;
    shown.push(line);
    size += line.length + 1;
  }
  return `${text}${text === '' ? '' : '\n\n'}${shown.join('\n')}${rest()}`.trim();
}

/** Facts side by side, as many as there is room for beside two fields of links. */
function inFields(facts: [string, string][]): { fields: Field[]; left: number } {
  const fields: Field[] = [];
  let room = FACTS_MAX;
  for (const [name, value] of facts.slice(0, FIELDS_MAX - 2)) {
    const field = { name: escaped(name, NAME_MAX), value: escaped(value, VALUE_MAX), inline: !WIDE_FACTS.has(name) };
    room -= field.name.length + field.value.length;
    if (room < 0) break;
    fields.push(field);
  }
  return { fields, left: facts.length - fields.length };
}

const answersOf = ({ answers = [] }: Notice): Link[] =>
  answers.flatMap(({ label, url }) => (url === undefined ? [] : [{ title: label, url }]));

/** The incident's page and the first links. */
const linksOf = ({ incident, links }: Notice): Link[] => [
  ...(incident.url ? [{ title: 'Open incident', url: incident.url }] : []),
  ...links.slice(0, LINKS_COUNT),
];

/** Those that may be buttons, and those that have to stand in the text. */
function parted(links: Link[], hasButtons: boolean): { buttons: Button[]; written: Link[] } {
  const buttons: Button[] = [];
  const written: Link[] = [];
  for (const link of links) {
    const url = hasButtons ? buttonLink(link.url, BUTTON_URL_MAX) : undefined;
    if (url === undefined) written.push(link);
    else buttons.push({ type: 2, style: 5, label: plain(link.title, LINK_TITLE_MAX) || new URL(url).host, url });
  }
  return { buttons, written };
}

const inRows = (buttons: Button[]): Row[] =>
  Array.from({ length: Math.ceil(buttons.length / ROW_MAX) }, (_, row) => ({
    type: 1,
    components: buttons.slice(row * ROW_MAX, (row + 1) * ROW_MAX),
  }));

/** `[title](address)`; nothing for what Discord would not open. A parenthesis would end the address, a backslash its end. */
function link(title: string, url: string): string[] {
  const href = safeLink(url)?.replace(/[()\\]/g, percent);
  if (href === undefined || !/^https?:/.test(href)) return [];
  const label = oneLine(title) || new URL(href).host;
  return [`[${escaped(label, LINK_TITLE_MAX)}](${href})`];
}

const percent = (found: string): string => `%${found.charCodeAt(0).toString(16).toUpperCase()}`;

/** As many as fit; one that is too long by itself is passed over. */
function inOneField(name: string, links: Link[], max: number): Field[] {
  let value = '';
  for (const item of links.flatMap(({ title, url }) => link(title, url))) {
    const longer = value === '' ? item : `${value} · ${item}`;
    if (longer.length <= max) value = longer;
  }
  return value === '' ? [] : [{ name, value, inline: false }];
}

const footer = ({ incident, reason }: Notice, left: number): string =>
  plain(
    `${plain(incident.id, 60)} · ${plain(incident.route, 60)} · ${REASONS[reason]}${left > 0 ? ` · ${left} more facts are not shown` : ''}`,
    FOOTER_MAX,
  );
