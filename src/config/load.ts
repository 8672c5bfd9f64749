/** Reads and checks the whole configuration, from tocsin.yaml or from the environment, before anything is started. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { channels, writers } from '../channels/index.ts';
import type { Heartbeat } from '../core/heartbeat.ts';
import { OWNER } from '../core/owner.ts';
import type { Routing } from '../core/route.ts';
import { sources } from '../sources/index.ts';
import { refusedAddresses } from './addresses.ts';
import { BESIDES_TYPE, besidesNamed, onlyProblem, withBesidesOf } from './besides.ts';
import { createFindings, entriesOf, type Findings, listOf } from './check.ts';
import { compileRouting } from './compile.ts';
import { type Document, readDocument } from './document.ts';
import { configFromEnv } from './env.ts';
import { HeartbeatEntry, heartbeatsOf } from './heartbeats.ts';
import { type ConfiguredSource, type Integration, integrationsOf, type Registry, sourcesOf } from './integrations.ts';
import { ConfigError, kindOf, nearest, pathText, unknownName } from './problems.ts';
import { Egress, Links, Name, Person, PublicUrl, RetentionSection, SECTIONS, SummaryEntry } from './schema.ts';
import { type Environment, isSecret, type Path, secretPaths, secretValues } from './secrets.ts';

export interface Summary {
  name: string;
  /** `18:00`, by the clock of `timezone`. */
  at: string;
  timezone: string;
  /** The Notion writer that keeps the page. */
  notion?: string;
  /** Integrations told of it in short. */
  notify: string[];
  /** Labels whose last value of the day is shown as a fact. */
  facts: string[];
  jitter_ms?: number;
  /** A run missed by at most this is made up for. */
  catch_up_ms: number;
}

export interface Config {
  /** The file it was read from; absent where it comes from the environment. */
  file?: string;
  integrations: Map<string, Integration>;
  routing: Routing;
  summaries: Summary[];
  egress: z.output<typeof Egress>;
  sources: Map<string, ConfiguredSource>;
  /** What is expected to be heard of regularly, by name. */
  heartbeats: Map<string, Heartbeat>;
  links: z.output<typeof Links>;
  /** How long each kind is kept, in milliseconds. */
  retention: z.output<typeof RetentionSection>;
  publicUrl?: string;
  /** The operator who a person is in a channel: `slack U0123` → `ana`. */
  people: Map<string, string>;
  /** Names that the file has no integration of: each must be stored in the ledger. */
  unresolved: Unresolved[];
  /** For the log at start; none keeps it from starting. */
  warnings: string[];
  /** Live secret values, for the log's scrubber. */
  secrets: string[];
}

export interface Unresolved {
  name: string;
  /** Where it is named: `line 7, routes[0].notify[1]`. */
  place: string;
  /** What it is named for: to be told, to keep daily pages, or to be told by SMS. */
  use: 'tell' | 'write' | 'text';
}

/** Integrations beside those of the file: their names, or `later` where the ledger that has them is not open yet. */
export type StoredNames = readonly string[] | 'later';

const DEFAULT_FILE = 'tocsin.yaml';
/** Shorter values are no secrets, and scrubbing them would cut words out of the log. */
const SECRET_MIN = 6;

/** All that can be configured in this version. */
export const REGISTRY: Registry = { channels, writers, sources };

/**
 * The configuration in the file `path`, else in `TOCSIN_CONFIG`, else in tocsin.yaml of the working folder where there is
 * one, else out of the environment. Throws ConfigError with every problem: its line, its path, what was found (never what
 * is secret or came from a variable), and what would be right.
 */
export async function loadConfig({
  path,
  env,
  reach,
  stored = [],
}: {
  path?: string | undefined;
  env: Environment;
  /** A name that is neither in the file nor here is a mistake; `later`: it is among `unresolved`. */
  stored?: StoredNames;
  /** The egress rules: with them, an address that would never be called is a mistake of the configuration. */
  reach?: Registry['reach'];
}): Promise<Config> {
  const registry: Registry = reach ? { ...REGISTRY, reach } : REGISTRY;
  const file = path ?? (env.TOCSIN_CONFIG || (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined));
  if (file === undefined) return fromEnvironment(env, registry, stored);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new ConfigError(file, [`cannot be read (${code}): name the file with --config or TOCSIN_CONFIG`]);
  }
  return { file, ...fromText(text, file, env, registry, stored) };
}

/** The configuration written in `text`; `name` is what errors call it. */
export function fromText(
  text: string,
  name: string,
  env: Environment,
  registry: Registry,
  stored: StoredNames = [],
): Config {
  return checked(name, readDocument(text, env), registry, stored);
}

/** The configuration out of the environment alone. */
export function fromEnvironment(env: Environment, registry: Registry, stored: StoredNames = []): Config {
  const { written, warnings, problems, variables } = configFromEnv(env);
  if (problems.length > 0) throw new ConfigError('the environment', problems);
  const document: Document = {
    value: written,
    problems: [],
    secrets: [],
    isFilledIn: () => true,
    whereIs: (at) =>
      at
        .map((_, length) => variables.get(pathText(at.slice(0, at.length - length))))
        .find((variable) => variable !== undefined),
  };
  const config = checked('the environment', document, registry, stored);
  return { ...config, warnings: [...warnings, ...config.warnings] };
}

function checked(name: string, document: Document, registry: Registry, stored: StoredNames): Config {
  if (document.value === undefined && document.problems.length > 0)
    throw new ConfigError(
      name,
      document.problems.map(({ problem }) => problem),
    );
  const written = document.value ?? {};
  if (typeof written !== 'object' || Array.isArray(written))
    throw new ConfigError(name, [`must be a mapping of sections, not ${kindOf(written)}`]);
  const file = written as Partial<Record<string, unknown>>;
  const kinds = [...registry.channels, ...registry.writers, ...registry.sources].map(
    ({ id, config }) => [id, secretPaths(config)] as const,
  );
  const secretsOf = new Map(kinds);
  const isHidden = ([section, entry, ...rest]: Path): boolean => {
    if (section === 'heartbeats') return isSecret(secretPaths(HeartbeatEntry), rest);
    if (section !== 'integrations' && section !== 'sources') return false;
    const { type } = (
      entry !== undefined ? ((file[section] as Record<string, { type?: unknown }>)[entry] ?? {}) : {}
    ) as { type?: unknown };
    const secrets = secretsOf.get(String(type));
    return secrets === undefined ? rest[0] !== 'type' : isSecret(secrets, rest);
  };
  const findings = createFindings(document, isHidden);
  for (const key of Object.keys(file)) {
    const near = nearest(key, SECTIONS);
    if (!SECTIONS.some((section) => section === key))
      findings.note([key], `is not a section: ${near ? `did you mean ${near}?` : `there are ${SECTIONS.join(', ')}`}`);
  }

  const integrations = integrationsOf(file.integrations, registry, findings);
  // A broken integration is a problem of its own, not one of every route that names it.
  const writerIds = new Set(registry.writers.map(({ id }) => id));
  const typeOf = new Map(namedTypes(file.integrations));
  const unresolved: Unresolved[] = [];
  const mayBeNamed =
    (use: Unresolved['use']): MayBeNamed =>
    (target, path) => {
      if (target === OWNER) return 'owner may stand in notify of a route and nowhere else: it is who an event is about';
      const type = typeOf.get(target);
      if (type !== undefined) return useProblem(use, { name: target, type }, writerIds);
      if (stored !== 'later' && !stored.includes(target))
        return unknownName('integration', target, [...typeOf.keys(), ...stored]);
      unresolved.push({ name: target, place: findings.placeOf(path), use });
      return undefined;
    };
  const mayTell = mayBeNamed('tell');

  const sections = {
    escalations: file.escalations,
    routes: file.routes,
    default: file.default,
    inhibitions: file.inhibitions,
    time_intervals: file.time_intervals,
    maintenance: file.maintenance,
  };
  const { routing, warnings } = compileRouting(
    sections,
    { problemWith: mayTell, patienceOf: (target) => integrations.get(target)?.patience },
    findings,
  );
  for (const { to, path } of besidesNamed(integrations.values(), registry.channels)) {
    const texts = [...typeOf].flatMap(([target, type]) => (type === BESIDES_TYPE ? [target] : []));
    const problem = to === true ? onlyProblem(texts) : mayBeNamed('text')(to, path);
    if (problem) findings.note(path, problem);
  }
  const summaries = summariesOf(file.summaries, mayTell, mayBeNamed('write'), findings);
  const named = sourcesOf(file.sources, registry, findings);
  const heartbeats = heartbeatsOf(file.heartbeats, findings);
  const egress = findings.check(Egress, file.egress ?? {}, ['egress']);
  if (egress && registry.reach) {
    const reach = registry.reach(egress);
    const kindOfType = new Map([...registry.channels, ...registry.writers].map((kind) => [kind.id, kind]));
    for (const integration of integrations.values()) {
      const kind = kindOfType.get(integration.type);
      if (!kind || !integration.enabled) continue;
      for (const { path, problem } of refusedAddresses(integration, kind, reach))
        findings.note(['integrations', integration.name, ...path], problem);
    }
  }
  const links = findings.check(Links, file.links ?? {}, ['links']);
  const retention = findings.check(RetentionSection, file.retention ?? {}, ['retention']);
  const publicUrl =
    file.public_url === undefined ? undefined : findings.check(PublicUrl, file.public_url, ['public_url']);

  const people = peopleOf(file.people, registry, findings);

  const lines = findings.lines();
  if (lines.length > 0 || !egress || !links || !retention) throw new ConfigError(name, lines);

  const secrets = [...integrations.values(), ...named.values()].flatMap(({ type, config }) =>
    secretValues(secretsOf.get(type) ?? [], config),
  );
  for (const { token } of heartbeats.values()) if (token !== undefined) secrets.push(token);
  const config: Config = {
    integrations,
    routing: withBesidesOf(routing, [...integrations.values()], integrations, registry.channels),
    summaries,
    egress,
    sources: named,
    heartbeats,
    links,
    retention,
    people,
    unresolved,
    warnings: [...warnings, ...contradictions(integrations), ...silences(integrations, routing)],
    secrets: [...new Set([...secrets, ...document.secrets])].filter((secret) => secret.length >= SECRET_MIN),
  };
  if (publicUrl !== undefined) config.publicUrl = publicUrl.replace(/\/+$/, '');
  return config;
}

/** One person has one operator; an operator may be several people's, and several in one channel. */
function peopleOf(value: unknown, { channels }: Registry, findings: Findings): Map<string, string> {
  const people = new Map<string, string>();
  const ids = channels.map(({ id }) => id);
  for (const [name, written] of entriesOf('people', value, findings)) {
    const path = ['people', name];
    findings.check(Name, name, path);
    const entry = findings.check(Person, written, path);
    for (const [channel, persons] of Object.entries(entry ?? {})) {
      if (!ids.includes(channel)) findings.note([...path, channel], unknownName('channel', channel, ids));
      for (const person of persons) {
        const who = `${channel} ${person}`;
        const other = people.get(who);
        if (other !== undefined) findings.note([...path, channel], `is ${other} already: one person is one operator`);
        people.set(who, name);
      }
    }
  }
  return people;
}

function* namedTypes(value: unknown): Generator<[string, string]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  for (const [name, entry] of Object.entries(value)) yield [name, String((entry as { type?: unknown } | null)?.type)];
}

/** The problem with naming this integration at this place; undefined where there is none. */
type MayBeNamed = (name: string, path: Path) => string | undefined;

/** Why an integration of this type is not for this use. */
export function useProblem(
  use: Unresolved['use'],
  { name, type }: Pick<Integration, 'name' | 'type'>,
  writerIds: ReadonlySet<string>,
): string | undefined {
  if (use === 'text' && type !== BESIDES_TYPE)
    return `${name} is of type ${type}: only one of type ${BESIDES_TYPE} can be told besides`;
  if (use === 'write')
    return writerIds.has(type) ? undefined : `${name} is of type ${type}, which keeps no daily pages`;
  return writerIds.has(type)
    ? `${name} is of type ${type}, which keeps daily pages: only a summary can name it`
    : undefined;
}

function summariesOf(value: unknown, mayTell: MayBeNamed, mayWrite: MayBeNamed, findings: Findings): Summary[] {
  const names = new Set<string>();
  return listOf('summaries', value, findings).flatMap((written, at) => {
    const path = ['summaries', at];
    const entry = findings.check(SummaryEntry, written, path);
    if (!entry) return [];
    if (names.has(entry.name))
      findings.note([...path, 'name'], `there is another summary ${entry.name}: names are unique`);
    names.add(entry.name);
    const { notion, notify, jitter, catch_up, ...rest } = entry;
    const problem = notion === undefined ? undefined : mayWrite(notion, [...path, 'notion']);
    if (problem) findings.note([...path, 'notion'], problem);
    notify.forEach((target, index) => {
      const wrong = mayTell(target, [...path, 'notify', index]);
      if (wrong) findings.note([...path, 'notify', index], wrong);
    });
    const summary: Summary = { ...rest, notify, catch_up_ms: catch_up };
    if (notion !== undefined) summary.notion = notion;
    if (jitter !== undefined) summary.jitter_ms = jitter;
    return [summary];
  });
}

/** K2: the port decides about TLS whatever `secure` says; where they contradict each other somebody should know. */
function contradictions(integrations: Map<string, Integration>): string[] {
  return [...integrations.values()].flatMap(({ name, type, config: { port, secure } }) => {
    if (type !== 'email' || secure === undefined || secure === (port === 465)) return [];
    const means = port === 465 ? 'TLS from the start' : 'STARTTLS, required';
    return [`${name}: secure is ${secure}, but port ${port} means ${means}, and the port decides`];
  });
}

/** What is allowed and still rarely meant: nobody is told. */
function silences(integrations: Map<string, Integration>, { routes, fallback }: Routing): string[] {
  const all = [
    fallback,
    ...routes.flatMap(function below(route): Routing['routes'] {
      return [route, ...route.children.flatMap(below)];
    }),
  ];
  return all.flatMap(({ name, policy, children }) => {
    const targets = [...policy.notify, ...policy.levels.flatMap(({ notify }) => notify)];
    // One that is not in the file is stored, and may be switched on at any time.
    if (children.length > 0 || targets.some((target) => integrations.get(target)?.enabled ?? true)) return [];
    return [
      `route ${name} tells nobody: ${targets.length === 0 ? 'it names no integration in notify' : `${targets.join(', ')} is switched off`}`,
    ];
  });
}
