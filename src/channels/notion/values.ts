/** A value as the property of a database takes it, whatever type the people of that database have given it. */
import type { Json } from '../../core/event.ts';
import { clip, oneLine, safeLink, tidy } from '../../core/text.ts';
import { optionName, type Properties, RICH_TEXT_MAX, richText, URL_MAX } from './content.ts';

/** https://developers.notion.com/reference/request-limits: options of a multi-select, addresses and numbers of a telephone. */
const OPTIONS_MAX = 100;
const SHORT_MAX = 200;

type Property = Properties[string];
/** What a data source tells of one of its properties: selects and states come with their options. */
export type Described = { type: string; id?: string; [type: string]: unknown };

/** Types that a text, a number or a list can be written into. */
export const WRITABLE: readonly string[] = [
  'title',
  'rich_text',
  'select',
  'multi_select',
  'status',
  'number',
  'checkbox',
  'date',
  'url',
  'email',
  'phone_number',
];

/** The value for a property of this type; undefined where it fits in none of its ways, so that nothing is written. */
export function propertyOf(property: Described, value: Json): Property | undefined {
  const text = textOf(value);
  switch (property.type) {
    case 'title':
      return { title: richText(clip(oneLine(text), RICH_TEXT_MAX)) };
    case 'rich_text':
      return { rich_text: richText(clipUnits(tidy(text))) };
    case 'select':
      return { select: text.trim() === '' ? null : { name: knownOption(property, text) ?? optionName(oneLine(text)) } };
    case 'multi_select':
      return { multi_select: optionsOf(property, value).map((name) => ({ name })) };
    case 'status': {
      // Options of a status cannot be made by writing them.
      const name = knownOption(property, text);
      return name === undefined ? undefined : { status: { name } };
    }
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? { number: Number(text) } : undefined;
    case 'checkbox':
      return { checkbox: /^(true|yes|1)$/i.test(text.trim()) };
    case 'date':
      return /^\d{4}-\d{2}-\d{2}/.test(text) && Number.isFinite(Date.parse(text))
        ? { date: { start: text } }
        : undefined;
    case 'url': {
      const href = safeLink(text);
      return href === undefined || href.length > URL_MAX ? undefined : { url: href };
    }
    case 'email':
      return /^[^\s@]+@[^\s@]+$/.test(text) && text.length <= SHORT_MAX ? { email: text } : undefined;
    case 'phone_number':
      return text.trim() === '' ? undefined : { phone_number: clip(oneLine(text), SHORT_MAX) };
    default:
      return undefined;
  }
}

function textOf(value: Json): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join(', ');
  return JSON.stringify(value);
}

/** Notion counts UTF-16 units; a character of two is never cut in half. */
const clipUnits = (text: string): string => {
  let end = RICH_TEXT_MAX - 1;
  if (text.length <= RICH_TEXT_MAX) return text;
  if (/[\ud800-\udbff]/.test(text.charAt(end - 1))) end--;
  return `${text.slice(0, end)}…`;
};

const optionsOf = (property: Described, value: Json): string[] => {
  const texts = (Array.isArray(value) ? value : [value]).map((one) => oneLine(textOf(one))).filter((one) => one !== '');
  return [...new Set(texts.map((text) => knownOption(property, text) ?? optionName(text)))].slice(0, OPTIONS_MAX);
};

/** The option that people have made already, whatever its case: no second one is made beside it. */
function knownOption(property: Described, text: string): string | undefined {
  const wanted = optionName(oneLine(text)).toLowerCase();
  const { options } = (property[property.type] ?? {}) as { options?: unknown };
  if (!Array.isArray(options)) return undefined;
  const names = options.map((option: { name?: unknown }) => option?.name).filter((name) => typeof name === 'string');
  return names.find((name) => name.toLowerCase() === wanted);
}
