/** What our comment knows: kept in the comment itself, merged with each notice, and distrusted when read back. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CI_STAGES, CI_STATES, givenBy } from '../../core/ci.ts';
import type { Labels } from '../../core/event.ts';
import type { Notice } from '../../core/notice.ts';
import { clip, oneLine, safeLink, toneOf } from '../../core/text.ts';
import { type Place, saidOf } from './target.ts';

/** Our own limits: the state is read back from a comment, of which it may fill a quarter. */
const ENCODED_MAX = 16_000;
const SERVICES_MAX = 4;
const INCIDENTS_MAX = 10;
const DELIVERIES_MAX = 20;
const TEXT_MAX = 120;
const URL_MAX = 300;

const text = (max = TEXT_MAX) => z.string().transform((value) => clip(oneLine(value), max));
const address = z.string().refine((url) => url.length <= URL_MAX && /^https?:/.test(safeLink(url) ?? ''));
const sha = z.string().regex(/^[0-9a-f]{7,64}$/);
const time = z.string().refine((iso) => iso.length <= 40 && !Number.isNaN(Date.parse(iso)));

const rowSchema = z.object({
  service: text(),
  state: z.enum(CI_STATES),
  at: time,
  sha: sha.optional().catch(undefined),
  duration: text(40).optional().catch(undefined),
  details: text().catch(''),
  url: address.optional().catch(undefined),
});
const incidentSchema = z.object({
  id: text(64),
  title: text(),
  emoji: z.string().regex(/^\p{Extended_Pictographic}\ufe0f?$/u),
  word: z.string().regex(/^[A-Z]{1,20}$/),
  closed: z.boolean(),
  url: address.optional().catch(undefined),
});
const VALUES = {
  complexity: 'Complexity',
  duplication: 'Duplication',
  tech_debt: 'Technical Debt',
  maintainability: 'Maintainability',
  bundle_size: 'Bundle Size',
  bundle_diff: '',
  load_time: 'Load Time',
  load_time_diff: '',
  memory_usage: 'Memory Usage',
  memory_diff: '',
} as const;
const REPORTS = ['test_report_url', 'coverage_report_url', 'security_report_url', 'performance_report_url'] as const;
export type ValueName = keyof typeof VALUES;
export type ReportName = (typeof REPORTS)[number];

/** One entry that is not as we write them is no reason to forget the others. */
const listOf = <Schema extends z.ZodType>(schema: Schema, max: number) =>
  z
    .array(z.unknown())
    .catch([])
    .transform((items) =>
      items.slice(0, max).flatMap((item): z.output<Schema>[] => {
        const parsed = schema.safeParse(item);
        return parsed.success ? [parsed.data] : [];
      }),
    );
const known = <Name extends string, Schema extends z.ZodType>(names: readonly Name[], schema: Schema) =>
  z
    .record(z.string(), z.unknown())
    .catch({})
    .transform((given) => {
      const kept: Partial<Record<Name, z.output<Schema>>> = {};
      for (const name of names) {
        const parsed = Object.hasOwn(given, name) ? schema.safeParse(given[name]) : undefined;
        if (parsed?.success) kept[name] = parsed.data;
      }
      return kept;
    });

const reportSchema = z.object({
  rows: known(CI_STAGES, listOf(rowSchema, SERVICES_MAX)),
  /** The commit of the newest event that named one. */
  sha: sha.optional().catch(undefined),
  branch: text(100).optional().catch(undefined),
  environment: text(60).optional().catch(undefined),
  values: known(Object.keys(VALUES) as ValueName[], text(60)),
  reports: known(REPORTS, address),
  incidents: listOf(incidentSchema, INCIDENTS_MAX),
  /** Digests of the deliveries that are in it, the newest last: what a repeat is recognised by. */
  deliveries: listOf(z.string().regex(/^[0-9a-f]{16}$/), DELIVERIES_MAX),
});
export type Report = z.output<typeof reportSchema>;
export type Row = z.output<typeof rowSchema>;

export const NOTHING_KNOWN: Report = reportSchema.parse({});

export const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 16);
export const holds = (report: Report, key: string): boolean => report.deliveries.includes(digestOf(key));

/** The report with what the notice says; of two events about one thing the later one counts, in whatever order they come. */
export function merged(report: Report, notice: Notice, place: Place, webHost: string): Report {
  const rows: Report['rows'] = { ...report.rows };
  for (const { stage, ...said } of saidOf(notice, webHost)) {
    const row = rowSchema.parse({ ...said, url: said.url && (safeLink(said.url) ?? '') });
    const others = (rows[stage] ?? []).filter(({ service }) => service !== row.service);
    const before = (rows[stage] ?? []).find(({ service }) => service === row.service);
    const kept = before && Date.parse(before.at) > Date.parse(row.at) ? before : row;
    rows[stage] = [kept, ...others].slice(0, SERVICES_MAX);
  }
  const given = newestValues(notice);
  return reportSchema.parse({
    ...report,
    rows,
    ...(place.sha === undefined ? {} : { sha: place.sha }),
    ...(place.branch === undefined ? {} : { branch: place.branch }),
    ...(place.environment === undefined ? {} : { environment: place.environment }),
    values: { ...report.values, ...given },
    reports: { ...report.reports, ...given },
    incidents: withIncident(report.incidents, notice),
    deliveries: [...report.deliveries, digestOf(notice.delivery.key)].slice(-DELIVERIES_MAX),
  });
}

/** What else senders write for a name of ours. */
const SPELLINGS: Partial<Record<ValueName | ReportName, string>> = {
  performance_report_url: 'perf_report_url',
  tech_debt: 'technical_debt',
};
const NAMES = [...(Object.keys(VALUES) as ValueName[]), ...REPORTS];

/** What the events say of each name, the newest that says so. */
function newestValues({ alerts }: Notice): Labels {
  const values: Labels = {};
  for (const alert of alerts.toSorted((a, b) => Date.parse(a.last_at) - Date.parse(b.last_at))) {
    const given = givenBy(alert);
    for (const name of NAMES) {
      const value = given(name, SPELLINGS[name] ?? name);
      if (value !== '') values[name] = value;
    }
  }
  return values;
}

/** The newest first; of more than fit, those that are over go first. */
function withIncident(before: Report['incidents'], notice: Notice): Report['incidents'] {
  const { incident, reason } = notice;
  if (reason === 'summary' || reason === 'test') return before;
  const { emoji, word } = toneOf(notice);
  const entry = incidentSchema.parse({
    id: oneLine(incident.id),
    title: oneLine(incident.title),
    emoji,
    word,
    closed: incident.status === 'resolved',
    url: incident.url,
  });
  const all = [entry, ...before.filter(({ id }) => id !== entry.id)];
  while (all.length > INCIDENTS_MAX) {
    const closed = all.findLastIndex((one) => one.closed);
    all.splice(closed > 0 ? closed : all.length - 1, 1);
  }
  return all;
}

const OPENING = (marker: string): string => `<!-- ${marker}:state `;
const CLOSING = ' -->';

/** The first line of our comment: what it is found by, together with its author. */
export const markerOf = (marker: string): string => `<!-- ${marker}:report -->`;

/** What is given up, in this order, where the state does not fit. */
const SMALLER: ((report: Report) => Report)[] = [
  (report) => ({ ...report, incidents: report.incidents.slice(0, 3) }),
  (report) => ({ ...report, rows: mapped(report.rows, ({ url: _, ...row }) => row) }),
  (report) => ({ ...report, reports: {}, values: {} }),
  (report) => ({ ...report, incidents: report.incidents.slice(0, 1), rows: mapped(report.rows, (row) => row, 1) }),
  (report) => ({ ...report, rows: mapped(report.rows, ({ duration: _, ...row }) => ({ ...row, details: '' })) }),
];

/**
 * The hidden block at the end of the comment. It is JSON in which everything that could end the block, mention somebody
 * or open another is written as `\uXXXX`.
 */
export function hidden(report: Report, marker: string): string {
  const encode = (one: Report): string =>
    JSON.stringify(one).replace(
      /[<>@#`&]|-(?=[^\d])|[^ -~]/g,
      (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  let smaller = report;
  for (const step of SMALLER) {
    if (encode(smaller).length <= ENCODED_MAX) break;
    smaller = step(smaller);
  }
  return `${OPENING(marker)}${encode(smaller)}${CLOSING}`;
}

const mapped = (rows: Report['rows'], change: (row: Row) => Row, max = SERVICES_MAX): Report['rows'] =>
  Object.fromEntries(Object.entries(rows).map(([stage, list]) => [stage, list.slice(0, max).map(change)]));

/** What a comment of ours knew; nothing where the block is missing, too long, or not as we write it. */
export function reportIn(body: string, marker: string): Report {
  const start = body.lastIndexOf(OPENING(marker));
  const end = body.indexOf(CLOSING, start);
  if (start < 0 || end < 0) return NOTHING_KNOWN;
  const encoded = body.slice(start + OPENING(marker).length, end);
  if (encoded.length > ENCODED_MAX) return NOTHING_KNOWN;
  try {
    return reportSchema.safeParse(JSON.parse(encoded)).data ?? NOTHING_KNOWN;
  } catch {
    return NOTHING_KNOWN;
  }
}
