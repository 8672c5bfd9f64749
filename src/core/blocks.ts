/** A notice as Slack's Block Kit: the one rendering that both Slack channels send. */
import { WIDE_FACTS } from './ci.ts';
import { type Notice, REASONS } from './notice.ts';
import { alertLine, clip, clipEscaped, escapeMrkdwn, factsOf, oneLine, safeLink, tidy, toneOf } from './text.ts';

// Limits: https://docs.slack.dev/reference/block-kit/blocks and …/block-elements/button-element
const HEADER_MAX = 150;
const SECTION_MAX = 3_000;
const FIELDS_MAX = 10;
const BUTTON_TEXT_MAX = 75;
const URL_MAX = 3_000;

// Our own budgets. Slack refuses a message whose blocks hold more than about 13,200 characters in all
// (slackapi/bolt-js#2509, undocumented); these add up to less than 12,000.
const TEXT_MAX = 400;
const SAID_MAX = 2_000;
const FIELD_NAME_MAX = 40;
const FIELD_MAX = 150;
const FACTS_MAX = 2 * FIELDS_MAX;
/** An event has five of these at most. */
const WIDE_MAX = 600;
const LISTED_MAX = 4_000;
const CONTEXT_MAX = 300;
const LINKS_MAX = 5;
const ALERT_TITLE_MAX = 120;

/** What the `action_id` of an answer's button begins with; the action follows. */
export const ANSWER_ID = 'tocsin_';

interface PlainText {
  type: 'plain_text';
  text: string;
  emoji: true;
}
interface Mrkdwn {
  type: 'mrkdwn';
  text: string;
  /** Slack then leaves bare names and addresses alone: `@here` in a title calls nobody. */
  verbatim: true;
}
interface Button {
  type: 'button';
  action_id: string;
  text: PlainText;
  url?: string;
  /** What Slack gives back when it is pressed. */
  value?: string;
  style?: 'primary' | 'danger';
}
type Block =
  | { type: 'header'; text: PlainText }
  | { type: 'section'; text: Mrkdwn }
  | { type: 'section'; fields: Mrkdwn[] }
  | { type: 'context'; elements: Mrkdwn[] }
  | { type: 'actions'; elements: Button[] };

export interface SlackMessage {
  /** What a phone's notification and a screen reader say. */
  text: string;
  blocks: Block[];
  /** Only attachments have a colour. */
  attachments: { color: string; blocks: Block[] }[];
}

/** What a channel adds to the message of a notice. */
export interface SlackExtras {
  /** How the notice's answers are shown: buttons that Slack reports to us, links to a page that asks once more, or not. */
  answers?: 'buttons' | 'links';
  /** Mrkdwn that calls people, from the configuration and never from an event. */
  mention?: string;
  /** Instead of the usual facts. */
  facts?: [name: string, value: string][];
}

const plain = (text: string, max: number): PlainText => ({
  type: 'plain_text',
  text: clipEscaped(oneLine(text), max, (part) => part),
  emoji: true,
});
const mrkdwn = (escaped: string): Mrkdwn => ({ type: 'mrkdwn', text: escaped, verbatim: true });
const escaped = (text: string, max: number): string => clipEscaped(text, max, escapeMrkdwn);

/**
 * The message as chat.postMessage and incoming webhooks take it. `root` is the first message and its later edits,
 * titled by the incident; `page` says everything and is titled by the headline; `reply` only what is new.
 */
export function slackMessage(notice: Notice, form: 'root' | 'page' | 'reply', extras: SlackExtras = {}): SlackMessage {
  const { incident } = notice;
  const { emoji, colour, word } = toneOf(notice);
  const headline = oneLine(notice.headline);
  const title = form === 'root' ? oneLine(incident.title) || headline : headline;
  const page = notice.reason === 'summary' ? links(notice) : [];
  const details = form === 'reply' ? [...said(notice), ...outcome(notice), ...page] : everything(notice, title, extras);
  return {
    text: escaped(`${emoji} ${word} ${clip(headline, TEXT_MAX)} (${oneLine(incident.id)})`, TEXT_MAX * 2),
    blocks: [
      { type: 'header', text: plain(`${emoji} ${title}`, HEADER_MAX) },
      ...(extras.mention === undefined ? [] : [{ type: 'section' as const, text: mrkdwn(extras.mention) }]),
    ],
    attachments: [{ color: colour, blocks: [...details, because(notice)] }],
  };
}

const everything = (notice: Notice, title: string, { facts = factsOf(notice), answers }: SlackExtras): Block[] => [
  ...said(notice, title),
  ...inFields(facts),
  ...listed(notice),
  ...answered(notice, answers),
  ...links(notice),
];

/** The notice's own lines and, for a lone alert, the sender's description: in a reply only a chapter's, which is news. */
function said({ lines, headline, alerts, story }: Notice, title?: string): Block[] {
  const [lone] = alerts;
  const text = [
    ...(title !== undefined && title !== oneLine(headline) ? [oneLine(headline)] : []),
    ...lines.map(oneLine),
    ...((title !== undefined || story) && lone?.body && alerts.length === 1 ? [tidy(lone.body)] : []),
  ]
    .filter((line) => line !== '')
    .join('\n');
  return text === '' ? [] : [{ type: 'section', text: mrkdwn(escaped(text, SAID_MAX)) }];
}

/** What a story's end has to tell beside its lines. */
const outcome = (notice: Notice): Block[] =>
  notice.story?.phase === 'end' ? inFields(factsOf(notice).filter(([name]) => isOutcome(notice, name))) : [];
const isOutcome = ({ story }: Notice, name: string): boolean =>
  name === 'Took' || Object.keys(story?.counts ?? {}).some((count) => oneLine(count) === name);

/** Side by side, what is long on a line of its own; at most so many: what does not fit is on the incident's page. */
function inFields(facts: [string, string][]): Block[] {
  const blocks: Block[] = [];
  let fields: Mrkdwn[] = [];
  const close = (): void => {
    if (fields.length > 0) blocks.push({ type: 'section', fields });
    fields = [];
  };
  for (const [name, value] of facts.slice(0, FACTS_MAX)) {
    const title = `*${escaped(name, FIELD_NAME_MAX)}*`;
    if (WIDE_FACTS.has(name)) {
      close();
      const text = escaped(value, WIDE_MAX);
      // Between backticks nothing is markup but a backtick.
      const shown = name === 'Error' ? `\`\`\`${text.replaceAll('`', "'")}\`\`\`` : text;
      blocks.push({ type: 'section', text: mrkdwn(`${title}\n${shown}`) });
      continue;
    }
    fields.push(mrkdwn(`${title}\n${escaped(value, FIELD_MAX)}`));
    if (fields.length === FIELDS_MAX) close();
  }
  close();
  return blocks;
}

/** Several alerts, a line each, in as few sections as hold them; what is left out is counted. */
function listed({ alerts, more }: Notice): Block[] {
  if (alerts.length + more < 2) return [];
  const blocks: Block[] = [];
  let text = '';
  let room = LISTED_MAX;
  let shown = 0;
  for (const alert of alerts) {
    const line = `• ${escapeMrkdwn(alertLine(alert, ALERT_TITLE_MAX))}`;
    if (line.length + 1 > room) break;
    if (text.length + line.length + 1 > SECTION_MAX) {
      blocks.push({ type: 'section', text: mrkdwn(text) });
      text = '';
    }
    text += text === '' ? line : `\n${line}`;
    room -= line.length + 1;
    shown++;
  }
  if (text !== '') blocks.push({ type: 'section', text: mrkdwn(text) });
  const left = alerts.length - shown + more;
  if (left > 0) blocks.push({ type: 'context', elements: [mrkdwn(`… and ${left} more`)] });
  return blocks;
}

/** What can be answered from inside the message; the first, to take it on, stands out. */
function answered({ answers = [] }: Notice, as: SlackExtras['answers']): Block[] {
  const elements = answers.flatMap(({ action, label, token, url }): Button[] => {
    const button: Button = { type: 'button', action_id: `${ANSWER_ID}${action}`, text: plain(label, BUTTON_TEXT_MAX) };
    const styled: Button = action === 'ack' ? { ...button, style: 'primary' } : button;
    const href = url === undefined ? undefined : safeLink(url);
    if (as === 'buttons') return [{ ...styled, value: token }];
    return as === 'links' && href !== undefined && href.length <= URL_MAX ? [{ ...styled, url: href }] : [];
  });
  return elements.length === 0 ? [] : [{ type: 'actions', elements }];
}

/** The incident's page and the first links, as buttons that only open an address. */
function links({ incident, links }: Notice): Block[] {
  const wanted = [
    ...(incident.url ? [{ title: 'Open incident', url: incident.url }] : []),
    ...links.slice(0, LINKS_MAX),
  ];
  const elements = wanted.flatMap(({ title, url }, index): Button[] => {
    const href = safeLink(url);
    if (href === undefined || href.length > URL_MAX) return [];
    return [
      { type: 'button', action_id: `link_${index}`, text: plain(oneLine(title) || href, BUTTON_TEXT_MAX), url: href },
    ];
  });
  return elements.length === 0 ? [] : [{ type: 'actions', elements }];
}

const because = ({ incident, reason }: Notice): Block => ({
  type: 'context',
  elements: [mrkdwn(escaped(`${oneLine(incident.id)} · ${oneLine(incident.route)} · ${REASONS[reason]}`, CONTEXT_MAX))],
});
