/** The entry of an incident or a job: its title, what its properties should say, its content and the line of a notice. */
import type { BlockObjectRequest } from '@notionhq/client';
import type { Json } from '../../core/event.ts';
import { type Notice, REASONS } from '../../core/notice.ts';
import { filledText, filledValue } from '../../core/placeholders.ts';
import { alertLine, clip, oneLine, plural, safeLink, tidy, utc } from '../../core/text.ts';
import { CHILDREN_MAX, RICH_TEXTS_MAX, richText, URL_MAX } from './content.ts';

/** Ours: an entry is read on one screen or two. */
const BODY_MAX = 10_000;
const LINE_MAX = 1_000;
const CONTEXT_MAX = 50_000;
const LINKS_MAX = 10;
const TITLE_MAX = 500;

/** What an entry says where the database has a property of that name (seed 000), unless the configuration says otherwise. */
export const USUAL: Readonly<Record<string, string>> = {
  Date: '${opened_at}',
  Severity: '${severity}',
  Status: '${status}',
  TraceId: '${trace_id}',
  RequestId: '${request_id}',
  Context: '${context}',
};

export interface EntryConfig {
  title: string;
  properties: Record<string, string>;
}

export interface Entry {
  title: string;
  /** By the name or id of the property. */
  properties: Record<string, Json>;
  /** What the entry is found again by: its beginning is the incident, its end the notice that was written last. */
  key: string;
  children: BlockObjectRequest[];
  /** What this notice adds to an entry that is there. */
  line: string;
}

/** The incident, wherever its number is given a second time: with the moment it was opened. */
export const entryKey = ({ incident }: Notice): string => `${oneLine(incident.id)} ${incident.opened_at}`;
export const keyOf = (notice: Notice): string => `${entryKey(notice)} ${oneLine(notice.delivery.key)}`;

/** Everything that is written for a notice; what of it depends on the database is decided where its schema is known. */
export function entryOf(notice: Notice, config: EntryConfig): Entry {
  return {
    title: clip(oneLine(filledText(config.title, notice)) || oneLine(notice.headline), TITLE_MAX),
    properties: Object.fromEntries(
      Object.entries({ ...USUAL, ...config.properties }).map(([name, template]) => [
        name,
        valueFor(name, template, notice),
      ]),
    ),
    key: keyOf(notice),
    children: childrenOf(notice),
    line: lineOf(notice),
  };
}

/** Seed 000 writes severities in upper case, and so do its databases' options. */
function valueFor(name: string, template: string, notice: Notice): Json {
  const filled = tidied(filledValue(template, notice));
  // What a sender has built is shown, and builds nothing.
  const isBuilt = typeof filled === 'object' && filled !== null && !isTexts(filled);
  const value = isBuilt ? JSON.stringify(filled) : filled;
  return name === 'Severity' && template === USUAL.Severity && typeof value === 'string' ? value.toUpperCase() : value;
}

const isTexts = (value: Json): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string');

/** Every text inside fit to be shown, the names of fields as well. */
function tidied(value: Json): Json {
  if (typeof value === 'string') return tidy(value);
  if (Array.isArray(value)) return value.map(tidied);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [oneLine(name), tidied(inner)]));
}

/** `2026-01-15 14:40:00 UTC: Acknowledged by ana. (told that somebody has it)` */
function lineOf({ at, lines, headline, reason, incident }: Notice): string {
  const said = lines.map(oneLine).filter((line) => line !== '');
  const text = clip(said.length > 0 ? said.join(' ') : oneLine(headline), LINE_MAX);
  return `${utc(at)}: ${text} (${oneLine(incident.id)}, ${REASONS[reason]})`;
}

function childrenOf(notice: Notice): BlockObjectRequest[] {
  const { alerts, more, links, incident } = notice;
  const [first] = alerts;
  const isLone = alerts.length + more === 1;
  const listed = isLone ? [] : alerts.map((alert) => alertLine(alert));
  const left = more > 0 && !isLone ? [`… and ${plural(more, 'alert')} more`] : [];
  const hrefs = [...(incident.url === undefined ? [] : [{ title: 'Incident', url: incident.url }]), ...links]
    .slice(0, LINKS_MAX)
    .flatMap(({ title, url }) => linked(oneLine(title), safeLink(url)));
  return [
    ...(isLone && first?.body ? [paragraph(clip(tidy(first.body), BODY_MAX))] : []),
    ...[...listed, ...left].map(bullet),
    ...hrefs,
    ...contextOf(notice),
    heading('Timeline'),
    paragraph(lineOf(notice)),
  ].slice(0, CHILDREN_MAX);
}

/** The context of a lone alert, as JSON: of several, each sender's own would be longer than anybody reads. */
function contextOf({ alerts, more }: Notice): BlockObjectRequest[] {
  const [first] = alerts;
  if (first?.context === undefined || alerts.length + more !== 1) return [];
  const text = clip(JSON.stringify(tidied(first.context), null, 2), CONTEXT_MAX);
  return [
    heading('Context'),
    { type: 'code', code: { language: 'json', rich_text: richText(text).slice(0, RICH_TEXTS_MAX) } },
  ];
}

const heading = (text: string): BlockObjectRequest => ({ type: 'heading_2', heading_2: { rich_text: richText(text) } });
const bullet = (text: string): BlockObjectRequest => ({
  type: 'bulleted_list_item',
  bulleted_list_item: { rich_text: richText(text).slice(0, RICH_TEXTS_MAX) },
});
/** A paragraph, as the timeline's lines are. */
export const paragraph = (text: string): BlockObjectRequest => ({
  type: 'paragraph',
  paragraph: { rich_text: richText(text).slice(0, RICH_TEXTS_MAX) },
});

function linked(title: string, href: string | undefined): BlockObjectRequest[] {
  if (href === undefined || href.length > URL_MAX) return [];
  const content = clip(title || href, 200);
  return [
    {
      type: 'bulleted_list_item',
      bulleted_list_item: { rich_text: [{ type: 'text', text: { content, link: { url: href } } }] },
    },
  ];
}
