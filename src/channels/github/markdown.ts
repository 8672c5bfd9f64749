/** Text of senders in GitHub's Markdown: nobody is mentioned, nothing is linked, no markup of theirs works. */
import { clipEscaped, oneLine, safeLink, tidy } from '../../core/text.ts';

/** A longer address is shown without a link: a table of them would fill the comment. */
const URL_MAX = 500;

/** Shows nothing, and is no part of a name or a number: what it stands in is not linked any more. */
const NOTHING = '\u200b';

/**
 * GitHub links names, numbers and addresses after it has read the Markdown, so that neither a backslash nor an entity
 * keeps it from that (github/cmark-gfm#181); only something in between does.
 */
const defused = (text: string): string =>
  text
    .replace(/@(?=\S)/g, `@${NOTHING}`)
    .replace(/#(?=\d)/g, `#${NOTHING}`)
    .replace(/\b(GH)-(?=\d)/gi, `$1-${NOTHING}`)
    .replace(/:\/\//g, `:${NOTHING}//`)
    // Also behind `_`, which is no boundary of a word and yet lets GitHub begin a link.
    .replace(/www\./gi, (found) => `${found.slice(0, 3)}${NOTHING}.`)
    // What would begin a list or a quotation, where the text begins a line.
    .replace(/^(?=[-+*](?:\s|$)|[-=]{2,}\s*$|\d{1,9}[.)](?:\s|$))/, NOTHING);

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  $: '&#36;', // $…$ is mathematics
  [NOTHING]: '&#8203;',
};
const escaped = (text: string): string =>
  text.replace(/[&<>$\u200b\\`*_[\]#|~]/g, (found) => ENTITIES[found] ?? `\\${found}`);

/** On one line, in at most `max` UTF-16 units of Markdown; for headings, list items and cells of a table alike. */
export const md = (text: string, max: number): string => clipEscaped(defused(oneLine(text)), max, escaped);

/** A link whose text is escaped; the text alone where the address is none a browser should open. */
export function link(text: string, url: string | undefined, max: number): string {
  const shown = md(text, max);
  const address = url === undefined ? undefined : addressOf(url);
  return address === undefined || shown === '' ? shown : `[${shown}](${address})`;
}

/** As a link's destination, safe in a cell of a table; undefined for what is no web address, or too long. */
function addressOf(url: string): string | undefined {
  const href = safeLink(url);
  if (href === undefined || !/^https?:/.test(href)) return undefined;
  // A link to another issue would be noted there, for everybody to see; through this host of GitHub's it is not.
  const quiet = href.replace(
    /^https?:\/\/(?:www\.)?github\.com(?=\/[^/]+\/[^/]+\/(?:issues|pull|discussions)\/\d)/,
    'https://redirect.github.com',
  );
  const address = quiet.replace(/[()|<>\\`*"'\s@]/g, percent).replaceAll('&', '&amp;');
  return address.length > URL_MAX ? undefined : address;
}
const percent = (found: string): string => `%${found.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

/** Several lines as they are, between fences that they cannot close; nothing in them is linked. */
export function fenced(text: string, max: number): string {
  const shown = clipEscaped(tidy(text).trimEnd(), max, (part) => part);
  const longest = (shown.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0);
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}text\n${shown}\n${fence}`;
}

/**
 * For descriptions and names, which are plain text: on one line, without what GitHub refuses there ("doesn't accept
 * 4-byte Unicode"), in at most `max` characters.
 */
export const plain = (text: string, max: number): string =>
  clipEscaped(oneLine(text.toWellFormed().replace(/[\u{10000}-\u{10ffff}]/gu, '')), max, (part) => part);
