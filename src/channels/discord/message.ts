/** A notice as a Discord message: one line that a phone shows, and one embed with the rest. */
import { WIDE_FACTS } from '../../core/ci.ts';
import { type Notice, REASONS } from '../../core/notice.ts';
import { alertLine, clipEscaped, factsOf, oneLine, safeLink, tidy, toneOf } from '../../core/text.ts';

// Limits: https://docs.discord.com/developers/resources/message#embed-object-embed-limits
const TITLE_MAX = 256;
const DESCRIPTION_MAX = 4_096;
const FIELDS_MAX = 25;
/** Title, description, footer, names and values of all fields together. */
const EMBED_MAX = 6_000;

// Our own budgets: what is left of EMBED_MAX goes to the description.
const HEADLINE_MAX = 400; // The content may have 2,000.
const NAME_MAX = 60;
const VALUE_MAX = 200;
const FACTS_MAX = 1_700;
const ANSWERS_MAX = 900; // Below the 1,024 of a field's value, as are links.
const LINKS_MAX = 700;
const LINKS_COUNT = 5;
const LINK_TITLE_MAX = 60;
const FOOTER_MAX = 300;
const SAID_MAX = 1_200;
const ALERT_TITLE_MAX = 120;

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

/** The body of Execute Webhook and Edit Webhook Message. */
export interface DiscordMessage {
  content: string;
  embeds: [Embed];
  /** Nobody: an edit without it would read the text for mentions again. */
  allowed_mentions: { parse: [] };
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

/** The message, the same for a page and for what the first message becomes by an edit. */
export function discordMessage(notice: Notice): DiscordMessage {
  const title = escaped(titleOf(notice), TITLE_MAX);
  const facts = inFields(factsOf(notice));
  const fields = [...facts.fields, ...answers(notice), ...links(notice)];
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
        color: Number.parseInt(toneOf(notice).colour.slice(1), 16),
        fields,
        footer: { text },
        ...(Number.isNaN(at) ? {} : { timestamp: new Date(at).toISOString() }),
      },
    ],
    allowed_mentions: { parse: [] },
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

/** What can be answered, as links: only an application's own webhook may have buttons that tell us who pressed. */
function answers({ answers = [] }: Notice): Field[] {
  const written = answers.flatMap(({ label, url }) => (url === undefined ? [] : link(label, url)));
  return inOneField('Answer', written, ' · ', ANSWERS_MAX);
}

/** The incident's page and the first links. */
function links({ incident, links }: Notice): Field[] {
  const wanted = [
    ...(incident.url ? [{ title: 'Open incident', url: incident.url }] : []),
    ...links.slice(0, LINKS_COUNT),
  ];
  return inOneField(
    'Links',
    wanted.flatMap(({ title, url }) => link(title, url)),
    ' · ',
    LINKS_MAX,
  );
}

/** `[title](address)`; nothing for what Discord would not open. A parenthesis would end the address, a backslash its end. */
function link(title: string, url: string): string[] {
  const href = safeLink(url)?.replace(/[()\\]/g, percent);
  if (href === undefined || !/^https?:/.test(href)) return [];
  const label = oneLine(title) || new URL(href).host;
  return [`[${escaped(label, LINK_TITLE_MAX)}](${href})`];
}

const percent = (found: string): string => `%${found.charCodeAt(0).toString(16).toUpperCase()}`;

/** As many as fit; one that is too long by itself is passed over. */
function inOneField(name: string, items: string[], between: string, max: number): Field[] {
  let value = '';
  for (const item of items) {
    const longer = value === '' ? item : `${value}${between}${item}`;
    if (longer.length <= max) value = longer;
  }
  return value === '' ? [] : [{ name, value, inline: false }];
}

const footer = ({ incident, reason }: Notice, left: number): string =>
  plain(
    `${plain(incident.id, 60)} · ${plain(incident.route, 60)} · ${REASONS[reason]}${left > 0 ? ` · ${left} more facts are not shown` : ''}`,
    FOOTER_MAX,
  );
