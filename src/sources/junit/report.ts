/** A JUnit XML report, distrusted: decoded, parsed without entities, and counted within limits. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';

/**
 * While a report is read everybody else waits, so these four keep the reading of the worst one that we could make to about a
 * quarter of a second (fast-xml-parser 5 on one core). A report of 2 MB with tests of 80 bytes has 52,000 tags
 * and 80,000 attributes.
 */
export const REPORT_MAX_BYTES = 2.5 * 1_024 * 1_024;
/** Tags and ends of tags. */
const TAGS_MAX = 70_000;
const ATTRIBUTES_MAX = 120_000;
/** Of one tag, in UTF-16 units: a message in an attribute is far shorter. Attributes without a value cost as well, and have no sign. */
const TAG_MAX = 512 * 1_024;
const SPLIT = 'upload the suites one by one, each with its own ?suite=';
/** Suites within suites, and whatever runners put into a test. */
const DEPTH_MAX = 50;
/** Failed tests that are named. */
const FAILED_MAX = 20;
const NAME_MAX = 200;
const MESSAGE_MAX = 400;

export interface FailedTest {
  name: string;
  message: string;
  file?: string;
  line?: string;
}

export interface Report {
  /** What the report calls itself; empty where it does not, or is of several suites. */
  name: string;
  total: number;
  failed: number;
  skipped: number;
  /** Of all suites together, in milliseconds; absent where the report does not say. */
  duration_ms?: number;
  /** The first of them. */
  failures: FailedTest[];
}

/** What is read of a report. Whatever else is in it is never made into objects: names nobody knows cost the most. */
const TAGS: ReadonlySet<string> = new Set(['testsuites', 'testsuite', 'testcase', 'failure', 'error', 'skipped']);
const ATTRIBUTES: ReadonlySet<string> = new Set(
  'name classname file line tests failures errors skipped time message type'.split(' '),
);

const parser = new XMLParser({
  ignoreAttributes: (name) => !ATTRIBUTES.has(name),
  updateTag: (name) => TAGS.has(name),
  attributeNamePrefix: '@',
  cdataPropName: '#cdata',
  alwaysCreateTextNode: true,
  parseTagValue: false,
  processEntities: false,
  maxNestedTags: DEPTH_MAX,
  isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
});

/** The report in these bytes, or in words why there is none. Never throws. */
export function reportIn(raw: Buffer): Report | string {
  if (raw.length > REPORT_MAX_BYTES) return `it has ${raw.length} bytes, more than ${REPORT_MAX_BYTES}: ${SPLIT}`;
  const text = decoded(raw);
  if (typeof text === 'string') return text;
  const { xml } = text;
  if (hasDoctype(xml)) return 'it has a document type (<!DOCTYPE), which no JUnit report needs';
  if (hasMore(TAGS_MAX, xml, /</g)) return `it has more than ${TAGS_MAX} tags: ${SPLIT}`;
  if (hasMore(ATTRIBUTES_MAX, xml, /=\s*["']/g)) return `it has more than ${ATTRIBUTES_MAX} attributes: ${SPLIT}`;
  if (hasLongTag(xml)) return `it has a tag of more than ${TAG_MAX} characters, which no runner writes`;
  let root: unknown;
  try {
    const problem = XMLValidator.validate(xml);
    if (problem !== true) return `it is no XML: line ${problem.err.line}, ${clip(problem.err.msg, NAME_MAX)}`;
    root = parser.parse(xml);
  } catch (error) {
    return `it is no XML that is read here: ${clip(error instanceof Error ? error.message : 'broken', NAME_MAX)}`;
  }
  const [all] = childrenOf(root, 'testsuites');
  const tops = childrenOf(all ?? root, 'testsuite');
  if (all === undefined && tops.length === 0)
    return 'it is no JUnit report: its root is neither testsuites nor testsuite';
  return counted(all, tops);
}

/** By the byte order mark, or as the XML declaration says; UTF-8 where neither says. */
function decoded(raw: Buffer): { xml: string } | string {
  const [first, second] = [raw[0], raw[1]];
  const marked = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : '';
  const [, declared = 'utf-8'] =
    /^[^<]{0,3}<\?xml[^>]{0,100}encoding\s*=\s*["']([\w.:-]{1,40})["']/.exec(raw.toString('latin1', 0, 300)) ?? [];
  try {
    return { xml: new TextDecoder(marked || declared, { fatal: true }).decode(raw).trimStart() };
  } catch {
    return `it is not written in ${marked || declared}, or that encoding is not known here`;
  }
}

/** Before the root only: a failed test may well quote a page. */
function hasDoctype(xml: string): boolean {
  let at = 0;
  for (;;) {
    while (/\s/.test(xml[at] ?? '')) at++;
    const end = xml.startsWith('<?', at) ? '?>' : xml.startsWith('<!--', at) ? '-->' : undefined;
    if (end === undefined) return xml.slice(at, at + 9).toUpperCase() === '<!DOCTYPE';
    const until = xml.indexOf(end, at);
    if (until < 0) return false;
    at = until + end.length;
  }
}

function hasMore(max: number, xml: string, sign: RegExp): boolean {
  let count = 0;
  for (const _ of xml.matchAll(sign)) if (++count > max) return true;
  return false;
}

/** Comments and CDATA are no tags, and may be as long as they like. */
function hasLongTag(xml: string): boolean {
  let end = 0;
  for (let at = xml.indexOf('<'); at >= 0; at = xml.indexOf('<', end)) {
    end = at + 1;
    if (xml[end] === '!') continue;
    const closed = xml.indexOf('>', at);
    end = closed < 0 ? xml.length : closed;
    if (end - at > TAG_MAX) return true;
  }
  return false;
}

type Node = Record<string, unknown>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);

function childrenOf(node: unknown, name: string): Node[] {
  const value = isNode(node) && Object.hasOwn(node, name) ? node[name] : undefined;
  return Array.isArray(value) ? value.filter(isNode) : [];
}
const attribute = (node: Node | undefined, name: string): string => {
  const value = node !== undefined && Object.hasOwn(node, `@${name}`) ? node[`@${name}`] : undefined;
  return typeof value === 'string' ? unescaped(value).trim() : '';
};
const number = (node: Node | undefined, name: string): number => {
  const value = Number(attribute(node, name).replaceAll(',', '') || Number.NaN);
  return Number.isFinite(value) && value >= 0 ? value : Number.NaN;
};
/** What is not said counts nothing. */
const count = (node: Node | undefined, name: string): number => Math.floor(number(node, name) || 0);

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
/** XML's own five and characters by number, each once: `&amp;lt;` is `&lt;`. Whatever else has no meaning without a DTD. */
const unescaped = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(lt|gt|amp|quot|apos));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[String(name).toLowerCase()] ?? whole;
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : '\u{fffd}';
  });

/** The text of an element, which may be written as it is, in CDATA, or both. */
function textIn(node: Node): string {
  const own = node['#text'];
  const cdata = node['#cdata'];
  const parts = (value: unknown): string[] =>
    (Array.isArray(value) ? value : [value]).flatMap((part) =>
      typeof part === 'string' ? [part] : isNode(part) && typeof part['#text'] === 'string' ? [part['#text']] : [],
    );
  return [...parts(own).map((part) => unescaped(part.slice(0, 20 * MESSAGE_MAX))), ...parts(cdata)].join('').trim();
}

const clip = (text: string, max: number): string => {
  const points = [...text.slice(0, 2 * max + 2)];
  return points.length > max ? `${points.slice(0, max - 1).join('')}…` : points.join('');
};

function counted(all: Node | undefined, tops: Node[]): Report | string {
  const report: Report = { name: attribute(all, 'name'), total: 0, failed: 0, skipped: 0, failures: [] };
  if (report.name === '' && tops.length === 1) report.name = attribute(tops[0], 'name');
  const waiting = tops.toReversed();
  for (let suite = waiting.pop(); suite !== undefined; suite = waiting.pop()) {
    for (const test of childrenOf(suite, 'testcase')) countTest(test, report);
    waiting.push(...childrenOf(suite, 'testsuite').toReversed());
  }
  // Some runners say how many failed and not which; what is declared to have failed is not called green.
  const sum = (name: string): number => {
    const own = number(all, name);
    return Number.isNaN(own) ? tops.reduce((total, suite) => total + count(suite, name), 0) : Math.floor(own);
  };
  report.failed = Math.max(report.failed, sum('failures') + sum('errors'));
  report.total = Math.max(report.total, sum('tests'), report.failed);
  if (report.total === 0) return 'it has no test in it: what ran nothing is not called green';
  const seconds = [number(all, 'time'), tops.reduce((total, suite) => total + number(suite, 'time'), 0)].find(
    (value) => !Number.isNaN(value),
  );
  return seconds === undefined ? report : { ...report, duration_ms: Math.round(seconds * 1_000) };
}

function countTest(test: Node, report: Report): void {
  report.total++;
  const [failure] = [...childrenOf(test, 'failure'), ...childrenOf(test, 'error')];
  if (failure === undefined) {
    if (childrenOf(test, 'skipped').length > 0) report.skipped++;
    return;
  }
  report.failed++;
  if (report.failures.length >= FAILED_MAX) return;
  const [file, line] = [attribute(test, 'file'), attribute(test, 'line')];
  const message = attribute(failure, 'message') || textIn(failure) || attribute(failure, 'type');
  report.failures.push({
    name: clip(nameOf(test), NAME_MAX),
    message: clip(message, MESSAGE_MAX),
    ...(file === '' ? {} : { file: clip(file, NAME_MAX) }),
    ...(line === '' ? {} : { line: clip(line, 10) }),
  });
}

/** Class and name, where the name does not say the class already. */
function nameOf(test: Node): string {
  const [group, name] = [attribute(test, 'classname'), attribute(test, 'name')];
  if (group === '' || name.startsWith(group)) return name || 'a test without a name';
  return /\s/.test(`${group}${name}`) ? `${group} › ${name}` : `${group}.${name}`;
}
