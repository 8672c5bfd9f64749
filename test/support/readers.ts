/** Rough readers of the vendors' markups: each finds what its vendor would obey in a rendering, rather too much than too little. */
import { expect } from 'vitest';

/** Tags of HTML, and what Slack and Discord write between angle brackets: links, mentions, times. */
export const tagsIn = (text: string): string[] =>
  [...text.matchAll(/<([a-z!/@#][^\s>|]*)/gi)].map(([, tag = '']) => tag.toLowerCase());

/** Every object within, the outermost first. */
function partsOf(value: unknown): Record<string, unknown>[] {
  if (Array.isArray(value)) return value.flatMap(partsOf);
  if (typeof value !== 'object' || value === null) return [];
  const part = value as Record<string, unknown>;
  return [part, ...Object.values(part).flatMap(partsOf)];
}

/** Everything that Slack reads as mrkdwn; each says that bare names (`@here`) and addresses in it are only words. */
export function slackObeys(rendered: unknown): string[] {
  const texts = [(rendered as { text: string }).text];
  for (const { type, text, verbatim } of partsOf(rendered)) {
    if (type !== 'mrkdwn') continue;
    texts.push(String(text));
    expect(verbatim).toBe(true);
  }
  expect(texts.length).toBeGreaterThan(1);
  return texts.flatMap(tagsIn);
}

/** What a reader shows instead of an escaped character is nothing to any markup. */
const INERT = '\ue000';
const ESCAPED = /\\([!-/:-@[-`{-~])/g;
const ENTITY = /&(?:#(\d+)|#x([\da-f]+)|(amp|lt|gt|quot));/gi;
const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"' };
const entities = (text: string): string =>
  text.replace(ENTITY, (_whole, decimal: string, hex: string, name: string) =>
    name
      ? (NAMED[name.toLowerCase()] ?? '')
      : String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16)),
  );

interface Flavour {
  /** Blocks between fences, and `&amp;`: https://spec.commonmark.org/0.31.2/. */
  common: boolean;
  /** What means something wherever it stands. */
  signs: RegExp;
  /** Bare names and addresses that become mentions and links as the Markdown is read. */
  names: RegExp;
}

const SIGNS = /<[^\s>]*|[*_~`|[\]>#]/g;
/** GitHub's mathematics besides. */
const GITHUB_SIGNS = /<[^\s>]*|[*_~`|[\]>#$]/g;

/** Whatever Markdown reads in a text, and the text without blocks of code and destinations of links. */
function markdownIn(text: string, { common, signs, names }: Flavour): { found: string[]; rest: string } {
  const found: string[] = [];
  const taking = (source: string, pattern: RegExp, named: (whole: string, part: string) => string, left = INERT) =>
    source.replace(pattern, (whole: string, part: string) => {
      found.push(named(whole, part));
      return left;
    });
  let rest = text;
  if (common) {
    rest = taking(rest, /^ {0,3}(`{3,}|~{3,})[^`\n]*\n(?:[\s\S]*?\n)?? {0,3}\1[`~]* *$/gm, () => 'a block of code');
    rest = taking(rest, /<!--[\s\S]*?(?:-->|$)/g, (whole) => `a comment ${whole.replace(/\{.*\}/, '')}`);
  }
  // A backslash escapes in pairs from the left: `\\\\](` is a link's end, `\\](` is none.
  rest = rest.replace(/\\[\s\S]|\]\((<[^>\n]*>|(?:\\[\s\S]|[^)\s\\])*)\)/g, (whole, address: string | undefined) => {
    if (address === undefined) return whole;
    found.push(`a link to ${address}`);
    return `]${INERT}`;
  });
  const words = rest.replace(ESCAPED, INERT);
  const live = common ? words.replace(ENTITY, INERT) : words;
  taking(live, signs, (whole) => whole);
  taking(live, names, (whole) => whole);
  if (common) taking(live, /^ *(?:[-+=]+|\d+[.)])(?= |$)/gm, () => 'a list, a rule or a heading');
  return { found, rest };
}

/** Names and addresses, as they stand. */
const NAMES = /@\w|\w:\/\//g;

/**
 * Discord's Markdown. Lists are only lines there; an address in an embed that stands there whole leads where it says. In
 * the content it would be fetched for a preview.
 */
export function discordObeys(rendered: unknown): string[] {
  interface Embed {
    title?: string;
    description?: string;
    fields: { name: string; value: string }[];
  }
  const { content, embeds, allowed_mentions, components } = rendered as {
    content: string;
    components: unknown;
    embeds: Embed[];
    allowed_mentions: unknown;
  };
  expect(allowed_mentions).toEqual({ parse: [] });
  expect(embeds.length).toBeGreaterThan(0);
  const texts = embeds.flatMap(({ title = '', description = '', fields }) => [
    title,
    description,
    ...fields.flatMap(({ name, value }) => [name, value]),
  ]);
  return [
    ...markdownIn(content, { common: false, signs: SIGNS, names: NAMES }).found,
    ...texts.flatMap((text) => markdownIn(text, { common: false, signs: SIGNS, names: /@\w/g }).found),
    // Of a button the words are shown as they are.
    JSON.stringify(components, (name, value) => (name === 'label' ? undefined : value)),
  ];
}

/** Linear's Markdown, in which the bare address of a person is a mention. */
export function linearObeys(rendered: unknown): string[] {
  const { input, comment } = rendered as { input: { description: string }; comment: string };
  return [input.description, comment].flatMap(
    (text) => markdownIn(text, { common: true, signs: SIGNS, names: NAMES }).found,
  );
}

/**
 * GitHub's Markdown, in comments and in the output of check runs. Names, numbers and addresses are linked when the
 * Markdown has been read, whatever was escaped in them.
 */
export function gitHubObeys(rendered: unknown): string[] {
  const texts = partsOf(rendered).flatMap(({ body, summary, text }) =>
    [body, summary, text].filter((one) => typeof one === 'string'),
  );
  return texts.flatMap((text) => {
    const { found, rest } = markdownIn(text, { common: true, signs: GITHUB_SIGNS, names: /(?!)/g });
    const shown = entities(rest.replace(ESCAPED, '$1'));
    return [...found, ...(shown.match(/@[\w-]|#\d|\bGH-\d|\w:\/\/|www\./gi) ?? [])];
  });
}

/**
 * The HTML of Telegram: tags with their addresses, names that call somebody, buttons. A tap on a /word sends that word
 * alone, which names no incident.
 */
export function telegramObeys(rendered: unknown): string[] {
  const { text, parse_mode, reply_markup } = rendered as { text: string; parse_mode: string; reply_markup?: unknown };
  expect(parse_mode).toBe('HTML');
  const shown = entities(text.replace(/<[^>]*(?:>|$)/g, ''));
  return [
    ...(text.match(/<[^>]*(?:>|$)|&(?!(?:amp|lt|gt|quot|#39);)/g) ?? []),
    ...(shown.match(/(?<![\p{L}\p{N}_])@\w/gu) ?? []),
    // Of a button the words are shown as they are.
    JSON.stringify(reply_markup ?? {}, (name, value) => (name === 'text' ? undefined : value)),
  ];
}

/** What of an Adaptive Card is shown as it is: runs of text within blocks. */
const PLAIN_PARTS = new Set(['message', 'AdaptiveCard', 'Container', 'RichTextBlock', 'TextRun']);

/**
 * An Adaptive Card: everything but runs of text, of which TextBlock reads Markdown and {{DATE(…)}}; what is pressed; who
 * is mentioned; and links in what is shown instead of the card, which is Markdown as well.
 */
export function teamsObeys(rendered: unknown): string[] {
  const parts = partsOf(rendered);
  const instead = parts.flatMap(({ fallbackText }) => (typeof fallbackText === 'string' ? [fallbackText] : []));
  expect(instead).toHaveLength(1);
  return [
    ...parts.flatMap(({ type, url }) =>
      type === undefined || PLAIN_PARTS.has(String(type)) ? [] : [`${type} ${url}`],
    ),
    ...parts
      .flatMap(({ entities: people, selectAction }) => [people, selectAction].flatMap((one) => one ?? []))
      .map(String),
    ...instead.flatMap((text) => text.match(/\]\(/g) ?? []),
  ];
}

/** The documents of Jira: every node and mark with what it is about. The texts within are read for nothing. */
export function jiraObeys(rendered: unknown): string[] {
  const parts = partsOf(rendered).filter(({ type }) => typeof type === 'string' && type !== 'text');
  expect(parts.length).toBeGreaterThan(1);
  return parts.map(({ type, attrs }) => `${type} ${JSON.stringify(attrs ?? {})}`);
}
