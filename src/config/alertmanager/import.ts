/** An alertmanager.yml as a tocsin.yaml, and in plain lines what could not be brought over and what is different now. */
import { Document, isMap, isScalar, parseDocument, visit } from 'yaml';
import { fromText, REGISTRY } from '../load.ts';
import { ConfigError } from '../problems.ts';
import { type Fields, fieldsOf } from './fields.ts';
import { intervalsOf } from './intervals.ts';
import { type LabelName, labelNames, type Match, matchesOf, matchText } from './matchers.ts';
import { integrationsOf } from './receivers.ts';
import { matchesBelow, routingOf } from './routes.ts';
import { createVariables, type Variable, writtenOf } from './variables.ts';

export type { Variable } from './variables.ts';

export interface Imported {
  /** The text of a tocsin.yaml, without any secret. */
  yaml: string;
  /** What was not brought over, what differs, what to look at: a sentence each. */
  notes: string[];
  /** What has to be set; `value` is secret. */
  variables: Variable[];
}

/**
 * Reads the text of an alertmanager.yml, of any version up to 0.34, and makes a tocsin.yaml of it: the same routes by the
 * same labels, grouped in the same way, told after the same waits; each entry of a receiver is an integration.
 * Throws ConfigError with every problem where the text is no configuration of Alertmanager's; `name` is what errors call it.
 */
export function importAlertmanager(text: string, name: string): Imported {
  // Go reads each scalar as its field's type: 500 is a text where a text is wanted. So all are texts here.
  const document = parseDocument(text, { schema: 'failsafe', merge: true, prettyErrors: false });
  const [broken] = document.errors;
  if (broken) throw new ConfigError(name, [broken.message]);
  const value: unknown = document.toJS();
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigError(name, ['must be a mapping with route and receivers, as an alertmanager.yml is']);

  const root = fieldsOf(value);
  const problems: string[] = [];
  const notes: string[] = [];
  const variables = createVariables();
  const told = {
    note: (line: string): void => void notes.push(line),
    problem: (line: string): void => void problems.push(line),
    nameOf,
    variables,
  };
  const integrations = integrationsOf(root, told);
  const intervals = intervalsOf(root, told);
  const matches = [...matchesBelow(root.within('route')), ...inhibitionsIn(root).flatMap(sidesOf)];
  const { label, keepsWords } = labelNames(matches);
  const routing = routingOf(root, {
    receivers: integrations.receivers,
    intervals: intervals.named,
    label,
    problem: told.problem,
  });
  const inhibitions = inhibitionsIn(root).map((rule, at) => inhibitionOf(rule, at, label, told.problem));
  if (problems.length > 0) throw new ConfigError(name, problems);

  notes.push(
    ...differences(root, { matches, keepsWords, allow: integrations.allow, hasTimes: intervals.named.size > 0 }),
  );
  const yaml = textOf(
    {
      integrations: integrations.written,
      default: routing.fallback,
      routes: routing.routes,
      inhibitions,
      time_intervals: intervals.written,
      egress: integrations.allow.length > 0 ? { allow: integrations.allow } : {},
    },
    name,
    variables.all(),
  );
  return { yaml, notes: [...notes, ...stillWrong(yaml, variables.all())], variables: variables.all() };
}

/** 64 of [\w.-], as names are here, and no other's. */
function nameOf(wanted: string, taken: Iterable<string>): string {
  const others = new Set(taken);
  const base =
    wanted
      .replace(/[^\w.-]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, NAME_MAX) || 'unnamed';
  let name = base;
  for (let count = 2; others.has(name); count++) name = `${base}-${count}`;
  return name;
}
/** Leaves room for a number within the 64 characters of a name. */
const NAME_MAX = 58;

const inhibitionsIn = (root: Fields): Fields[] => root.list('inhibit_rules').map(fieldsOf);

function sidesOf(rule: Fields): Match[] {
  try {
    return [...matchesOf(rule, 'source_'), ...matchesOf(rule, 'target_')];
  } catch {
    return []; // It is named when the rule is made.
  }
}

function inhibitionOf(rule: Fields, at: number, label: LabelName, problem: (text: string) => void): object {
  const side = (prefix: 'source_' | 'target_'): string[] => {
    const matches = matchesOf(rule, prefix).map((match) => matchText(match, label));
    // Alertmanager lets a rule without matchers be about every alert; here that has to be said.
    return matches.length > 0 ? matches : [matchText({ name: 'alertname', op: '=~', value: '(?s:.*)' }, label)];
  };
  try {
    const name = rule.text('name');
    return {
      ...(name === undefined ? {} : { name: nameOf(name, []) }),
      source: side('source_'),
      target: side('target_'),
      equal: rule.list('equal').map((equal) => label(String(equal))),
    };
  } catch (error) {
    problem(`inhibit_rules[${at}]: ${error instanceof Error ? error.message : String(error)}`);
    return {};
  }
}

interface Seen {
  matches: readonly Match[];
  keepsWords: boolean;
  allow: readonly string[];
  hasTimes: boolean;
}

/** What holds for the whole file. */
function differences(root: Fields, { matches, keepsWords, allow, hasTimes }: Seen): string[] {
  const lines: string[] = [];
  const global = root.within('global');
  const timeout = global.text('resolve_timeout');
  if (timeout !== undefined)
    lines.push(
      `global.resolve_timeout ${timeout} is not brought over: Prometheus says when each alert ends, and a source can have expire`,
    );
  if (root.list('templates').length > 0) lines.push('templates are not brought over: Tocsin writes its own messages');
  const named = matches.some(({ name }) => name === 'severity');
  if (named && keepsWords)
    lines.push(
      'matchers on severity are written labels.severity, which is the word that was sent: page and critical stay two. The severity that people are shown is one of critical, error, warning and info',
    );
  else if (named)
    lines.push(
      'severity is one of critical, error, warning and info here: an alert that says page, P0 or fatal counts as critical, and one that says nothing as info',
    );
  if (hasTimes || root.list('inhibit_rules').length > 0)
    lines.push(
      'times and inhibitions are looked at when an alert is heard of, not when it is told: an incident that was opened before goes on repeating within them until it is acknowledged. What was held back and still fires is told when they end',
      'an alert that was told and ends while its route is muted, or while it is inhibited, is told as over; Alertmanager would say nothing',
    );
  inhibitionsIn(root).forEach((rule, at) => {
    if (!['match', 'match_re', 'matchers'].some((field) => rule.has(`source_${field}`)))
      lines.push(
        `inhibit_rules[${at}] has no source matchers: every alert that fires can inhibit by it, so all of them are compared with each that comes; a route that tells nobody may do the same for less`,
      );
  });
  if (allow.length > 0)
    lines.push(
      `egress.allow lists ${allow.join(', ')}: only so may Tocsin call private addresses, plain http and unusual ports; look it through`,
    );
  const rest = [
    ...global
      .rest()
      .filter((field) => !OF_A_KIND.test(field))
      .map((field) => `global.${field}`),
    ...root.rest().filter((field) => !field.startsWith('global.') && !KNOWN_BELOW.test(field)),
  ];
  if (rest.length > 0) lines.push(`not brought over: ${rest.join(', ')}`);
  return lines;
}
/** Global fields of one kind of receiver: they are read by the receivers that need them. */
const OF_A_KIND =
  /^(smtp|slack|pagerduty|opsgenie|victorops|wechat|webex|telegram|jira|rocketchat|mattermost|incidentio)_|^http_config\.(follow_redirects|enable_http2)$/;
/** Read entry by entry, each of which has said itself what was left. */
const KNOWN_BELOW = /^(route|receivers|inhibit_rules|time_intervals|mute_time_intervals)(\.|$)/;

/** Characters of a list that is written on one line. */
const FLOW_MAX = 100;

function textOf(sections: Record<string, object>, from: string, variables: readonly Variable[]): string {
  const filled = Object.entries(sections).filter(([, section]) => Object.keys(section).length > 0);
  const document = new Document(writtenOf(Object.fromEntries(filled)));
  visit(document, {
    Seq: (_, list) => {
      list.flow = list.items.every(isScalar) && JSON.stringify(list).length <= FLOW_MAX;
    },
  });
  if (isMap(document.contents)) {
    for (const { key } of document.contents.items.slice(1)) if (isScalar(key)) key.spaceBefore = true;
  }
  const count = document.getIn(['default', 'group_count'], true) as { comment?: string } | undefined;
  if (count) count.comment = ' Alertmanager waits for group_wait however many alerts come';
  const names = variables.map(({ name, file }) => (file === undefined ? name : `${name}_FILE`));
  document.commentBefore = [
    ` Made from ${from} by \`tocsin import\`.`,
    ...(names.length > 0
      ? [' It takes these variables of the environment:', ...names.map((name) => `   ${name}`)]
      : []),
  ].join('\n');
  return document.toString({ lineWidth: 0 });
}

/** What our own loader says of the file, as far as that can be known before every variable is set. */
function stillWrong(yaml: string, variables: readonly Variable[]): string[] {
  const env = Object.fromEntries(variables.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
  try {
    fromText(yaml, 'tocsin.yaml', env, REGISTRY);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const unset = variables
      .filter(({ value }) => value === undefined)
      .map(({ name }) => `the variable ${name} is not set`);
    const wrong = error.problems.filter((problem) => !unset.some((text) => problem.includes(text)));
    return wrong.map((problem) => `to be mended in tocsin.yaml, ${problem}`);
  }
}
