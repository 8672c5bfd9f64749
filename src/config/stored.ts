/** Integrations by their names, wherever they are kept: those of the file, and those that the ledger has. */
import type { Json } from '../core/event.ts';
import { OWNER, type Own, type Owned, type OwnedBy } from '../core/owner.ts';
import { boundTo, type SecretField, type StoredIntegration } from '../core/stored.ts';
import { withSecrets } from './change.ts';
import { unusual } from './compile.ts';
import { type Integration, integrationOf, type Registry, roundProblem } from './integrations.ts';
import { type Config, useProblem } from './load.ts';
import { ConfigError, inOurWords, nearest, type Problem, pathText, problemsOf } from './problems.ts';
import { SharedFields } from './schema.ts';

/** There is none to tell, and why, in words for an operator. */
export interface Missing {
  missing: string;
}

export type Listed =
  | { origin: 'file'; integration: Integration }
  | { origin: 'api'; row: StoredIntegration; integration: Integration | Missing; secrets: SecretField[] };

export interface Integrations {
  /** The one of this name: what a change made of it is seen by every process within FRESH_MS; `now`: at once. */
  named(name: string, when?: 'now'): Promise<Integration | Missing>;
  /** The channels of these owners, by name: seen as one that is named is. */
  ownedBy: OwnedBy;
  /** All of them as they are at this moment. */
  list(): Promise<Listed[]>;
  /** From now on these values are secrets to the log too. */
  hide(secrets: readonly SecretField[]): void;
  /** A text for people, without what is secret. */
  masked(text: string): string;
  /** What was read of the ledger is asked for anew: something has been changed here. */
  forget(): void;
}

/** How the boxes of the ledger are opened; undefined is what no key opens. */
export type Open = (box: string, bound: string) => string | undefined;

/** How long what was read of the ledger is good for. */
const FRESH_MS = 5_000;
/** An owner who has none may have made one in another process; asked no more often than so, however many events name one. */
const UNKNOWN_FRESH_MS = 1_000;
/** Shorter values are no secrets, and scrubbing them would cut words out of the log. */
const SECRET_MIN = 6;

/** Says what to set where stored secrets are to be sealed or opened and there is no key. */
export const NO_KEYS =
  'no key for stored secrets is given: set TOCSIN_SECRET_KEYS or TOCSIN_SECRET_KEYS_FILE in every process (tocsin secrets new-key prints a key)';

/** The file first, else the ledger, whose rows are opened and read by the rules of their channels. */
export function createIntegrations(input: {
  file: ReadonlyMap<string, Integration>;
  registry: Pick<Registry, 'channels' | 'writers'>;
  rows: () => Promise<StoredIntegration[]>;
  open?: Open | undefined;
  redactor: { add(secret: string): void; text(text: string): string };
  /** A clock that nobody sets back, in milliseconds. */
  now?: () => number;
}): Integrations {
  const { file, registry, rows, open, redactor, now = () => performance.now() } = input;
  let read: { at: number; found: Promise<ReadonlyMap<string, Listed>> } | undefined;

  const hidden = new Set<string>();
  const hide = (secrets: readonly SecretField[]): void => {
    for (const secret of secrets.flatMap(([, value]) => textsIn(value))) {
      if (secret.length < SECRET_MIN || hidden.has(secret)) continue;
      hidden.add(secret);
      redactor.add(secret);
    }
  };

  const ask = async (): Promise<ReadonlyMap<string, Listed>> => {
    const found = new Map<string, Listed>();
    for (const row of await rows()) {
      if (file.has(row.name)) continue;
      const { integration, secrets } = readStored(row, registry, open);
      hide(secrets);
      found.set(row.name, { origin: 'api', row, integration, secrets });
    }
    return found;
  };

  const stored = (fresh_ms: number): Promise<ReadonlyMap<string, Listed>> => {
    // Counted from before the question: the answer is at least that old.
    if (read && now() - read.at < fresh_ms) return read.found;
    const asked = { at: now(), found: ask() };
    read = asked;
    asked.found.catch(() => {
      if (read === asked) read = undefined;
    });
    return asked.found;
  };

  return {
    async named(name, when) {
      const own = file.get(name);
      if (own) return own;
      // One that is not known yet may have been made this moment.
      const found = (when === 'now' ? undefined : (await stored(FRESH_MS)).get(name)) ?? (await stored(0)).get(name);
      return (
        found?.integration ?? {
          missing: `no integration named ${name} is configured: add it, or take it out of the routes`,
        }
      );
    },
    async ownedBy(users) {
      const byOwner = async (fresh_ms: number): Promise<Owned> => owners(file, await stored(fresh_ms), registry);
      const owned = await byOwner(FRESH_MS);
      return users.every((user) => owned.has(user)) ? owned : byOwner(UNKNOWN_FRESH_MS);
    },
    async list() {
      const others = await stored(0);
      return [
        ...[...file.values()].map((integration): Listed => ({ origin: 'file', integration })),
        ...others.values(),
      ];
    },
    hide,
    masked: (text) => redactor.text(text),
    forget() {
      read = undefined;
    },
  };
}

/** The channels that have an owner. A stored one that cannot be used is there too: its delivery says why it is dead. */
function owners(
  file: ReadonlyMap<string, Integration>,
  stored: ReadonlyMap<string, Listed>,
  { writers }: Pick<Registry, 'writers'>,
): Owned {
  const owned = new Map<string, Own[]>();
  const add = (owner: string, own: Own): void => void owned.set(owner, [...(owned.get(owner) ?? []), own]);
  const addWhole = ({ name, kind, owner, enabled, patience }: Integration): void => {
    const own = unusual(patience);
    if (kind === 'channel' && owner !== undefined) add(owner, { name, enabled, ...(own ? { patience: own } : {}) });
  };
  for (const integration of file.values()) addWhole(integration);
  for (const one of stored.values()) {
    if (one.origin === 'file') continue;
    const { integration, row } = one;
    if (!('missing' in integration)) addWhole(integration);
    else if (row.owner !== null && !writers.some(({ id }) => id === row.type))
      add(row.owner, { name: row.name, enabled: row.settings.enabled !== false });
  }
  for (const own of owned.values()) own.sort((a, b) => (a.name < b.name ? -1 : 1));
  return owned;
}

/** A row as an integration, or what is wrong with it, and the secrets that were in its box. */
export function readStored(
  row: StoredIntegration,
  registry: Pick<Registry, 'channels' | 'writers'>,
  open: Open | undefined,
): { integration: Integration | Missing; secrets: SecretField[] } {
  const { name, type, config, settings, owner } = row;
  const broken = (why: string) => ({ integration: { missing: `the integration ${name} cannot be used: ${why}` } });
  let secrets: SecretField[] = [];
  if (row.secrets !== null) {
    if (!open) return { ...broken(NO_KEYS), secrets };
    const text = open(row.secrets, boundTo(row));
    if (text === undefined)
      return {
        ...broken('no key opens its secrets: give the key that they were sealed with, or give them anew'),
        secrets,
      };
    secrets = JSON.parse(text) as SecretField[];
  }
  const result = checkWritten({ name, type, owner, settings, config: withSecrets(config, secrets) }, registry);
  if ('integration' in result) return { ...result, secrets };
  const said = result.problems.map(({ path, problem }) => [pathText(path), problem].filter(Boolean).join(' '));
  return { ...broken(`${said.join('; ')}. Change it, or make it anew`), secrets };
}

/** What somebody wrote of an integration, by the rules of its type; or every problem, below `config` or by its setting. */
export function checkWritten(
  { name, type, owner, settings, config }: Pick<StoredIntegration, 'name' | 'type' | 'owner' | 'settings' | 'config'>,
  registry: Pick<Registry, 'channels' | 'writers'>,
): { integration: Integration } | { problems: Problem[] } {
  const kinds = [...registry.channels, ...registry.writers];
  const kind = kinds.find(({ id }) => id === type);
  if (!kind)
    return { problems: [{ path: ['type'], problem: `must be one of ${kinds.map(({ id }) => id).join(', ')}` }] };
  const written = { ...settings, type, ...(owner === null ? {} : { owner }) };
  const shared = SharedFields.safeParse(written, { error: inOurWords });
  const parsed = kind.config.safeParse(config, { error: inOurWords });
  if (!shared.success || !parsed.success) {
    return {
      problems: [
        ...(shared.error ? problemsOf(shared.error, SharedFields, []) : []),
        ...(parsed.error ? problemsOf(parsed.error, kind.config, ['config']) : []),
      ],
    };
  }
  const integration = integrationOf(name, kind, registry, shared.data, parsed.data);
  const tooLong = roundProblem(integration);
  return tooLong === undefined ? { integration } : { problems: [{ path: [], problem: tooLong }] };
}

/** Throws ConfigError where a name is neither in the file nor stored, or is stored and of the wrong kind; gives warnings. */
export function checkNames(
  { file, integrations, unresolved }: Pick<Config, 'file' | 'integrations' | 'unresolved'>,
  listed: readonly Pick<StoredIntegration, 'name' | 'type'>[],
  { writers }: Pick<Registry, 'writers'>,
): string[] {
  const stored = new Map(listed.map((row) => [row.name, row]));
  const writerIds = new Set(writers.map(({ id }) => id));
  const problems = unresolved.flatMap(({ name, place, use }) => {
    const row = stored.get(name);
    const problem = row ? useProblem(use, row, writerIds) : unknown(name, [...integrations.keys(), ...stored.keys()]);
    return problem === undefined ? [] : [`${place}: ${problem}`];
  });
  if (problems.length > 0) throw new ConfigError(file ?? 'the environment', problems);
  return [...stored.keys()]
    .filter((name) => integrations.has(name))
    .map((name) => `${name} is in the configuration and stored as well: the configuration is what counts`)
    .concat(
      stored.has(OWNER)
        ? ['an integration called owner is stored: no route tells it, for the word means the user']
        : [],
    );
}

function unknown(name: string, known: string[]): string {
  const near = nearest(name, known);
  const words = `${name} is neither in the file nor stored`;
  if (near !== undefined) return `${words}: did you mean ${near}?`;
  return `${words}: ${known.length === 0 ? 'there is no integration' : `there is ${known.join(', ')}`}`;
}

/** Every text within a value. */
const textsIn = (value: Json): string[] => {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
};
