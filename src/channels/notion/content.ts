/** What Notion takes: its limits, and texts, options and blocks that keep them. */
import type { BlockObjectRequest, CreatePageParameters } from '@notionhq/client';
import { tidy } from '../../core/text.ts';

// https://developers.notion.com/reference/request-limits
export const RICH_TEXT_MAX = 2_000; // UTF-16 units of one text item
export const RICH_TEXTS_MAX = 100; // items of one block or property
export const CHILDREN_MAX = 100; // blocks of one request
export const LIST_PAGE = 100;
export const OPTION_MAX = 100; // name of a select option
export const URL_MAX = 2_000;

export type Properties = NonNullable<CreatePageParameters['properties']>;
export type RichText = { type: 'text'; text: { content: string } }[];

/** A name that an option of a select may have: it may hold no comma. */
export const optionName = (text: string): string => text.replaceAll(',', ' ').slice(0, OPTION_MAX).toWellFormed();

/** One line as one bullet; as several where it is longer than a block may be. */
export function bulleted(line: string): BlockObjectRequest[] {
  const items = richText(tidy(line));
  const blocks: BlockObjectRequest[] = [];
  for (let start = 0; start < items.length; start += RICH_TEXTS_MAX) {
    blocks.push({
      type: 'bulleted_list_item',
      bulleted_list_item: { rich_text: items.slice(start, start + RICH_TEXTS_MAX) },
    });
  }
  return blocks;
}

/** The text in items of at most 2,000 UTF-16 units, no surrogate pair cut in two; none for an empty text. */
export function richText(text: string): RichText {
  const items: RichText = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + RICH_TEXT_MAX);
    // A high surrogate at the end has its other half in the next item: leave both to that one.
    if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end--;
    items.push({ type: 'text', text: { content: text.slice(start, end) } });
    start = end;
  }
  return items;
}
