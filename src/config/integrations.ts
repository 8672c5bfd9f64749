/** The configured integrations and sources: each validated by the channel, writer or source that it is of. */
import type { z } from 'zod';
import type { OnAmbiguous } from '../core/doubt.ts';
import type { Severity } from '../core/event.ts';
import type { Privacy } from '../core/privacy.ts';
import type { Toggles } from '../core/toggles.ts';
import type { Reach } from './addresses.ts';
import { entriesOf, type Findings } from './check.ts';
import type { Rate } from './duration.ts';
import { unknownName } from './problems.ts';
import { IntegrationName, Name, SharedFields } from './schema.ts';

export interface Patience {
  timeout_ms: number;
  max_attempts: number;
  backoff_ms: number;
}

export interface Integration {
  name: string;
  /** The id of its channel or writer. */
  type: string;
  /** A channel is told of incidents; a writer only keeps daily pages. */
  kind: 'channel' | 'writer';
  /** As parsed by the channel's own zod object; holds secrets. */
  config: Record<string, unknown>;
  enabled: boolean;
  /** The mildest severity it is told; absent: all. */
  threshold?: Severity;
  /** What follows an attempt whose answer was lost; absent: by the severity. */
  on_ambiguous?: OnAmbiguous;
  patience: Patience;
  rate?: Rate;
  /** How much of people it is shown; absent: all. */
  privacy?: Privacy;
  /** What it is not told of, by type of event; absent: told of all. */
  events?: Toggles;
  /** Whose it is, where it is somebody's. */
  owner?: string;
}

export interface ConfiguredSource {
  name: string;
  type: string;
  /** As parsed by the source's own zod object; may hold a secret. */
  config: Record<string, unknown>;
}

/** What config has to know of a channel, a writer or a source. */
export interface Kind {
  id: string;
  config: z.ZodObject;
  patience?: Patience;
  rate?: Rate;
  /** Whom an integration of it wants told besides, by kind of event, and where in its configuration. */
  besides?(config: Record<string, unknown>): readonly { kind: string; to?: string | true; path: string[] }[];
}

export interface Registry {
  channels: readonly Kind[];
  writers: readonly Kind[];
  sources: readonly Kind[];
  /** What may be called, by the rules under `egress`; absent: not asked here. */
  reach?: (rules: { allow: string[]; ports?: number[] | undefined }) => Reach;
}

/** design.md section 7: the first attempt and three more after 5, 10 and 20 seconds. */
const PATIENCE: Patience = { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 };
/** One round of attempts is one activity: design.md section 2, rule 8. */
const ROUND_MAX_MS = 5 * 60_000;

const SHARED = new Set(Object.keys(SharedFields.shape));

/** Every valid integration by name; what is wrong with the others has been noted. */
export function integrationsOf(value: unknown, registry: Registry, findings: Findings): Map<string, Integration> {
  const integrations = new Map<string, Integration>();
  const kinds = [...registry.channels, ...registry.writers];
  for (const [name, written] of entriesOf('integrations', value, findings)) {
    const path = ['integrations', name];
    findings.check(IntegrationName, name, path);
    const typed = withType(written, path, 'channel', kinds, findings);
    if (!typed) continue;
    const { kind, fields } = typed;
    const shared = findings.check(
      SharedFields,
      Object.fromEntries(fields.filter(([field]) => SHARED.has(field))),
      path,
    );
    const config = findings.check(
      kind.config,
      Object.fromEntries(fields.filter(([field]) => !SHARED.has(field))),
      path,
    );
    if (!shared || !config) continue;
    const integration = integrationOf(name, kind, registry, shared, config);
    const tooLong = roundProblem(integration);
    if (tooLong !== undefined) findings.note(path, tooLong);
    integrations.set(name, integration);
  }
  return integrations;
}

/** An integration from its parts, all of them valid by themselves. */
export function integrationOf(
  name: string,
  kind: Kind,
  { writers }: Pick<Registry, 'writers'>,
  shared: z.output<typeof SharedFields>,
  config: Record<string, unknown>,
): Integration {
  const own = kind.patience ?? PATIENCE;
  const { enabled, threshold, on_ambiguous, rate = kind.rate, privacy, events, owner } = shared;
  const integration: Integration = {
    name,
    type: kind.id,
    kind: writers.includes(kind) ? 'writer' : 'channel',
    config,
    enabled,
    patience: {
      timeout_ms: shared.timeout ?? own.timeout_ms,
      max_attempts: shared.max_attempts ?? own.max_attempts,
      backoff_ms: shared.backoff ?? own.backoff_ms,
    },
  };
  if (on_ambiguous) integration.on_ambiguous = on_ambiguous;
  if (threshold) integration.threshold = threshold;
  if (rate) integration.rate = rate;
  if (privacy !== 'full') integration.privacy = privacy;
  if (events) integration.events = events;
  if (owner !== undefined) integration.owner = owner;
  return integration;
}

/** Why its attempts do not fit into a round; undefined where they do. */
export function roundProblem({ patience: { timeout_ms, max_attempts, backoff_ms } }: Integration): string | undefined {
  const round_ms = max_attempts * timeout_ms + backoff_ms * (2 ** (max_attempts - 1) - 1);
  if (round_ms <= ROUND_MAX_MS) return undefined;
  return `its attempts may take ${Math.ceil(round_ms / 1000)} s together, more than ${ROUND_MAX_MS / 1000} s: lower timeout, max_attempts or backoff`;
}

/** Every valid named source. */
export function sourcesOf(value: unknown, registry: Registry, findings: Findings): Map<string, ConfiguredSource> {
  const sources = new Map<string, ConfiguredSource>();
  for (const [name, written] of entriesOf('sources', value, findings)) {
    const path = ['sources', name];
    findings.check(Name, name, path);
    const typed = withType(written, path, 'source', registry.sources, findings);
    if (!typed) continue;
    const fields = Object.fromEntries(typed.fields.filter(([field]) => field !== 'type'));
    const config = findings.check(typed.kind.config, fields, path);
    if (config) sources.set(name, { name, type: typed.kind.id, config });
  }
  return sources;
}

/** The entry's fields and the kind its `type` names; undefined, with a problem noted, where there is none. */
function withType<T extends { id: string }>(
  written: unknown,
  path: string[],
  noun: string,
  kinds: readonly T[],
  findings: Findings,
): { kind: T; fields: [string, unknown][] } | undefined {
  const ids = kinds.map(({ id }) => id);
  if (typeof written !== 'object' || written === null || Array.isArray(written)) {
    findings.note(path, `must be a mapping with a type: ${ids.join(', ')}`);
    return undefined;
  }
  const { type } = written as { type?: unknown };
  const kind = kinds.find(({ id }) => id === type);
  if (kind) return { kind, fields: Object.entries(written) };
  if (typeof type === 'string') findings.note([...path, 'type'], unknownName(noun, type, ids));
  else findings.note([...path, 'type'], `is required: one of ${ids.join(', ')}`);
  return undefined;
}
