/** What an issue carries besides its description: summary, labels, and the custom fields of the organisation. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Notice, NoticeAlert } from '../../core/notice.ts';
import { clipEscaped, oneLine, tidy } from '../../core/text.ts';
import { type Document, documentOf } from './document.ts';

// https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/#api-rest-api-3-issue-post
const SUMMARY_MAX = 255;
const LABEL_MAX = 255;
/** A text field of one line. */
const TEXT_FIELD_MAX = 255;
/** Our own: five services or traces tell enough. */
const LABELS_OF_A_KIND_MAX = 5;

/** In UTF-16 units: the strictest way a vendor may count. */
const cut = (text: string, max: number): string => clipEscaped(text, max, (part) => part);
const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 20);

/** `[type] title` on one line; several alerts are named by what their titles have in common. */
export function summaryOf({ alerts, incident, pattern, headline }: Notice): string {
  const type = oneLine(alerts[0]?.type ?? '');
  const title = oneLine(incident.alert_count > 1 ? (pattern ?? incident.title) : incident.title) || oneLine(headline);
  return cut(`${type === '' ? '' : `[${type}] `}${title}`, SUMMARY_MAX);
}

/** Jira takes no white space in a label and at most 255 characters: `_` stands for white space, the rest is cut. */
export const asLabel = (text: string): string => cut(oneLine(text).replace(/\s/gu, '_'), LABEL_MAX);

/** The label that the issue of this incident is found by. Ids begin anew with a new ledger: the time keeps them apart. */
export const incidentLabel = ({ incident }: Notice): string =>
  `tocsin:${digest(`${incident.id}\n${incident.opened_at}`)}`;

/** The words that one delivery is found by in the text of a comment. */
export const markOf = ({ delivery }: Notice): string => `tocsin ${digest(delivery.key)}`;

/** `system:`, `severity:`, `type:`, `trace:`, the configured ones, and the one the issue is found by. */
export function labelsOf(notice: Notice, own: readonly string[]): string[] {
  const { incident, alerts } = notice;
  const each = (name: string, value: (alert: NoticeAlert) => string | undefined): string[] => {
    const values = new Set(alerts.map((alert) => oneLine(value(alert) ?? '')).filter((one) => one !== ''));
    return [...values].slice(0, LABELS_OF_A_KIND_MAX).map((one) => `${name}:${one}`);
  };
  const labels = [
    incidentLabel(notice),
    ...(incident.service ? [`system:${incident.service}`] : each('system', ({ service, source }) => service || source)),
    `severity:${incident.severity}`,
    ...each('type', ({ type }) => type),
    ...each('trace', ({ trace_id }) => trace_id),
    ...own.filter((label) => isFilled(label, notice)).map((label) => fillText(label, notice)),
  ];
  return [...new Set(labels.map(asLabel))].filter((label) => label !== '');
}

/** What a template may name; `labels.<name>` besides. Several values are joined by commas. */
const NAMES: Record<string, (notice: Notice) => string | number | string[] | undefined> = {
  id: ({ incident }) => incident.id,
  title: ({ incident }) => incident.title,
  headline: ({ headline }) => headline,
  severity: ({ incident }) => incident.severity,
  severity_word: ({ alerts }) => alerts[0]?.severity_word,
  service: ({ incident, alerts }) => incident.service ?? alerts[0]?.service,
  source: ({ alerts }) => alerts[0]?.source,
  type: ({ alerts }) => alerts[0]?.type,
  route: ({ incident }) => incident.route,
  url: ({ incident }) => incident.url,
  body: ({ alerts }) => alerts[0]?.body,
  trace_id: ({ alerts }) => alerts[0]?.trace_id,
  request_id: ({ alerts }) => alerts[0]?.request_id,
  components: ({ components }) => components,
  assignees: ({ alerts }) => [...new Set(alerts.flatMap(({ assignees }) => assignees))],
  alert_count: ({ incident }) => incident.alert_count,
  first_at: ({ incident }) => incident.first_at,
};
const TEMPLATE = /\$\{([^}]*)\}/g;
const LABEL_PREFIX = 'labels.';

const isKnown = (name: string): boolean => Object.hasOwn(NAMES, name) || name.startsWith(LABEL_PREFIX);

/** A text in which `${name}` stands for something of the incident. */
export const template = z
  .string()
  .min(1)
  .refine((text) => [...text.matchAll(TEMPLATE)].every(([, name = '']) => isKnown(name)), {
    error: `\${…} may name: ${Object.keys(NAMES).join(', ')}, labels.<name>`,
  });

const entry = z.record(z.string(), template);

/** The value of a custom field: a text, a number, a choice (`{ value: … }`), several of them, or `{ document: … }`. */
export const fieldValue = z.union([template, z.number(), z.boolean(), entry, z.array(z.union([template, entry]))]);
type FieldValue = z.output<typeof fieldValue>;

type Filled = string | number | boolean | Document | { [name: string]: string } | Filled[];

/** The custom fields with everything filled in; a field for which the incident has no value is left out. */
export function customFieldsOf(fields: Record<string, FieldValue>, notice: Notice): Record<string, Filled> {
  const filled = Object.entries(fields).map(([id, value]) => [id, fill(value, notice)] as const);
  return Object.fromEntries(filled.flatMap(([id, value]) => (value === undefined ? [] : [[id, value]])));
}

function fill(value: FieldValue, notice: Notice): Filled | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'string') return alone(value, notice) ?? (fillText(value, notice) || undefined);
  if (Array.isArray(value)) {
    const items = value.flatMap((item) =>
      typeof item === 'string' ? listOf(item, notice) : (fill(item, notice) ?? []),
    );
    return items.length === 0 ? undefined : items;
  }
  if (value.document !== undefined) {
    const words = replaced(value.document, notice, tidy).trim();
    return words === '' ? undefined : documentOf(words);
  }
  const filled = Object.entries(value).map(([name, one]): [string, string] => [name, fillText(one, notice)]);
  return filled.some(([, one]) => one === '') ? undefined : Object.fromEntries(filled);
}

/** A template that is nothing but a number keeps being one: Jira's number fields take no text. */
function alone(text: string, notice: Notice): number | undefined {
  const name = /^\$\{(\w+)\}$/.exec(text)?.[1];
  const value = name !== undefined && Object.hasOwn(NAMES, name) ? NAMES[name]?.(notice) : undefined;
  return typeof value === 'number' ? value : undefined;
}

/** A list alone in a list is its items. */
function listOf(text: string, notice: Notice): string[] {
  const name = /^\$\{(\w+)\}$/.exec(text)?.[1];
  const value = name !== undefined && Object.hasOwn(NAMES, name) ? NAMES[name]?.(notice) : undefined;
  const items = Array.isArray(value) ? value.map(oneLine) : [fillText(text, notice)];
  return items.filter((item) => item !== '').map((item) => cut(item, TEXT_FIELD_MAX));
}

/** Whether everything that the template names is known: `team:` alone tells nobody anything. */
const isFilled = (text: string, notice: Notice): boolean =>
  [...text.matchAll(TEMPLATE)].every(([whole]) => fillText(whole, notice) !== '');

const fillText = (text: string, notice: Notice): string =>
  cut(oneLine(replaced(text, notice, oneLine)), TEXT_FIELD_MAX);

function replaced(text: string, notice: Notice, clean: (text: string) => string): string {
  return text.replace(TEMPLATE, (_whole, name: string) => {
    const value = name.startsWith(LABEL_PREFIX)
      ? labelOf(notice, name.slice(LABEL_PREFIX.length))
      : NAMES[name]?.(notice);
    return clean(Array.isArray(value) ? value.join(', ') : String(value ?? ''));
  });
}

const labelOf = ({ alerts }: Notice, name: string): string | undefined =>
  alerts.find(({ labels }) => Object.hasOwn(labels, name))?.labels[name];
