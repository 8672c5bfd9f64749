/** How integrations are written and shown over HTTP: their own fields under `config`, what all may have beside it. */
import { z } from 'zod';
import { secretPaths } from '../channels/index.ts';
import { withoutSecrets, withSecrets } from '../config/change.ts';
import type { Integration } from '../config/integrations.ts';
import { REGISTRY } from '../config/load.ts';
import { IntegrationName, SharedFields } from '../config/schema.ts';
import type { Listed } from '../config/stored.ts';
import type { Json } from '../core/event.ts';
import { TOGGLES, type Toggles } from '../core/toggles.ts';
import type { HealthView } from '../ledger/health.ts';
import { text } from './endpoint.ts';
import type { IntegrationView } from './views.ts';

type Fields = { [field: string]: Json };

/** Of shorter secrets four characters would tell too much. */
const LAST4_MIN = 12;
const LAST4 = 4;

/** JSON that the ledger can keep: well-formed texts, none with a NUL. */
const kept = z
  .record(z.string(), z.unknown())
  .superRefine((fields, context) => {
    for (const path of nulsIn(fields, []))
      context.addIssue({ code: 'custom', message: 'must not hold a NUL character', path, input: fields });
  })
  .transform((fields) => wellFormed(fields) as Fields);

function nulsIn(value: unknown, path: (string | number)[]): (string | number)[][] {
  if (typeof value === 'string') return value.includes('\0') ? [path] : [];
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((inner, at) => nulsIn(inner, [...path, at]));
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name.includes('\0') ? [path] : []),
    ...nulsIn(inner, [...path, name]),
  ]);
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name.toWellFormed(), wellFormed(inner)]));
}

const { owner: ownerField, type: _, ...settings } = SharedFields.shape;
const config = { description: 'The fields of its channel: the form in GET /v1/channels.' };

/** Settings are kept as they are written: here they only are described, and checked with everything else. */
const asWritten = (more: (schema: Record<string, unknown>) => Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(settings).map(([name, field]) => {
      const { $schema, default: usual, ...schema } = z.toJSONSchema(field, { io: 'input', unrepresentable: 'any' });
      return [name, z.unknown().optional().meta(more(schema))];
    }),
  );

/** What a new one is made of. */
export const Written = z.strictObject({
  name: IntegrationName,
  type: text(64).meta({ description: 'The id of its channel: one of GET /v1/channels.' }),
  owner: ownerField,
  config: kept.default({}).meta(config),
  ...asWritten((schema) => schema),
});

/** What a change may say. */
export const Changed = z.strictObject({
  owner: ownerField.nullable(),
  config: kept.optional().meta(config),
  ...asWritten(({ title, description, ...schema }) => ({
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    anyOf: [schema, { type: 'null' }],
  })),
});

/** What people may see of an integration: no secret, but whether it is set, and the end of a long one. */
export function shown(
  one: Listed,
  masked: (text: string) => string,
  health: HealthView = { state: 'ok' },
): z.output<typeof IntegrationView> {
  const { integration } = one;
  const usable = 'missing' in integration ? undefined : integration;
  const { name, type } = one.origin === 'file' ? one.integration : one.row;
  const fields = one.origin === 'file' ? plainOf(one.integration) : one.row.config;
  const whole = one.origin === 'file' ? fields : withSecrets(one.row.config, one.secrets);
  const kind = [...REGISTRY.channels, ...REGISTRY.writers].find(({ id }) => id === type);
  const owner = usable?.owner ?? (one.origin === 'api' ? one.row.owner : null);
  return {
    name,
    type,
    origin: one.origin,
    health,
    ...(owner !== null && { owner }),
    enabled: usable ? usable.enabled : false,
    ...('missing' in integration && { problem: integration.missing }),
    ...(usable && settingsOf(usable)),
    events: switchesOf(usable?.events ?? {}),
    config: maskedIn(kind ? withoutSecrets(fields, kind).config : {}, masked) as Fields,
    secrets: kind ? Object.fromEntries(secretPaths(kind.config).flatMap((path) => secretsWithin(whole, path, []))) : {},
    ...(one.origin === 'api' && keptOf(one)),
  };
}

const settingsOf = ({ threshold, on_ambiguous, privacy = 'full', patience, rate }: Integration) => ({
  ...(threshold && { threshold }),
  ...(on_ambiguous && { on_ambiguous }),
  privacy,
  patience,
  ...(rate && { rate }),
});

const keptOf = ({ row }: Extract<Listed, { origin: 'api' }>) => ({
  settings: row.settings,
  revision: row.revision,
  made_at: row.made_at.toISOString(),
  made_by: row.made_by,
  changed_at: row.changed_at.toISOString(),
  changed_by: row.changed_by,
});

const switchesOf = (events: Toggles): Record<string, boolean> =>
  Object.fromEntries(Object.values(TOGGLES).map((toggle) => [toggle, events[toggle] ?? true]));

/** As JSON: whatever a schema has made of it. */
const plainOf = ({ config: parsed }: Integration): Fields => JSON.parse(JSON.stringify(parsed)) as Fields;

/** A value out of a variable may be a secret although its field is none. */
function maskedIn(value: Json, masked: (text: string) => string): Json {
  if (typeof value === 'string') return masked(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((inner) => maskedIn(inner, masked));
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, maskedIn(inner, masked)]));
}

/** `urls.critical` is set or not; `headers.*` stands for every name that is there. */
function secretsWithin(
  value: Json | undefined,
  [step, ...rest]: string[],
  path: string[],
): [string, { set: boolean; last4?: string }][] {
  if (step === undefined) return [[path.join('.'), secretShown(value)]];
  const fields = typeof value === 'object' && value !== null ? (value as Fields) : {};
  const names = step === '*' ? Object.keys(fields) : [step];
  return names.flatMap((name) =>
    secretsWithin(Object.hasOwn(fields, name) ? fields[name] : undefined, rest, [...path, name]),
  );
}

function secretShown(value: Json | undefined): { set: boolean; last4?: string } {
  if (value === undefined || value === null) return { set: false };
  if (typeof value !== 'string' || value.length < LAST4_MIN) return { set: true };
  return { set: true, last4: [...value].slice(-LAST4).join('').toWellFormed() };
}
