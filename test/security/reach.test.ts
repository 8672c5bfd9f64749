/** Every field of the configuration that takes an address: what it may not be is refused when it is read, and whenever it is called. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Channel, Outcome } from '../../src/channels/channel.ts';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { createEgress, type ResolveHost } from '../../src/egress/guard.ts';
import { createRules } from '../../src/egress/rules.ts';
import { sources } from '../../src/sources/index.ts';
import { INSIDE_HOSTS, NO_WEB_URLS } from '../support/attacks.ts';
import { callOf } from '../support/calls.ts';

interface Place {
  id: string;
  field: string;
  kind: 'uri' | 'hostname';
}

const kinds = [...channels, ...writers] as const;
const sampleOf = (id: string): Record<string, unknown> =>
  id === 'notion'
    ? { token: 'ntn_not-a-real-one', database_id: '0'.repeat(32) }
    : ((channels.find((one) => one.id === id)?.sample ?? {}) as Record<string, unknown>);

/** The fields of all channels and writers that are addresses: those their schemas call so. */
const places = kinds.flatMap(({ id, config }) => {
  const walk = (node: unknown, path: string[]): Place[] => {
    const { format, properties = {} } = node as { format?: string; properties?: Record<string, unknown> };
    const own: Place[] = format === 'uri' || format === 'hostname' ? [{ id, field: path.join('.'), kind: format }] : [];
    return [...own, ...Object.entries(properties).flatMap(([name, inner]) => walk(inner, [...path, name]))];
  };
  return walk(config.toJSONSchema({ io: 'input' }), []);
});

/** Vendors whose addresses have a shape that their schemas ask for: what stands behind the host. */
const PATHS: Record<string, string> = { 'discord.url': '/api/webhooks/123456789012345678/fake-token' };

/** A good address of this field, on any host, with or without a port. */
const urlOn = ({ id, field }: Pick<Place, 'id' | 'field'>, origin: string): string =>
  `${origin}${PATHS[`${id}.${field}`] ?? '/x'}`;

/** Addresses that a vendor calls when it has something to tell: we hand them over, and call them never. */
const CALLED_BY_OTHERS = new Set(['sms.status_callback']);

/** The sample with this value in one field, and the others as they were. */
function withField(
  sample: Record<string, unknown>,
  [name = '', ...rest]: string[],
  value: unknown,
): Record<string, unknown> {
  const inner = (sample[name] ?? {}) as Record<string, unknown>;
  return { ...sample, [name]: rest.length === 0 ? value : withField(inner, rest, value) };
}

interface Field {
  field: string;
  schema: { type?: string; default?: unknown };
}

/** Every field that holds a text, at any depth: of tables, lists and alternatives as well. */
function fieldsOf(node: unknown, path: string[] = []): Field[] {
  const {
    properties = {},
    items,
    additionalProperties,
    anyOf = [],
    oneOf = [],
    allOf = [],
    ...schema
  } = node as {
    properties?: Record<string, unknown>;
    items?: unknown;
    additionalProperties?: unknown;
    anyOf?: unknown[];
    oneOf?: unknown[];
    allOf?: unknown[];
  } & Field['schema'];
  return [
    ...(schema.type === 'string' ? [{ field: path.join('.'), schema }] : []),
    ...Object.entries(properties).flatMap(([name, inner]) => fieldsOf(inner, [...path, name])),
    ...[items, additionalProperties].flatMap((inner) =>
      typeof inner === 'object' && inner !== null ? fieldsOf(inner, [...path, '*']) : [],
    ),
    ...[...anyOf, ...oneOf, ...allOf].flatMap((inner) => fieldsOf(inner, path)),
  ];
}

const valueAt = (sample: unknown, field: string): unknown =>
  field.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], sample);

/** What is said of a configuration with these fields, a dollar of theirs doubled as one has to; nothing where it is good. */
function problemsWith(id: string, fields: Record<string, unknown>, egress = '{}'): string {
  const target = channels.some((one) => one.id === id) ? 'it' : 'terminal';
  const text = `
integrations:
  it: ${JSON.stringify({ type: id, ...fields }).replaceAll('$', '$$$$')}
  terminal: { type: stdout }
  # The sample of a mail names it.
  oncall-sms: ${JSON.stringify({ type: 'sms', ...sampleOf('sms'), enabled: false })}
default: { notify: [${target}] }
egress: ${egress}`;
  try {
    fromText(text, 'the tests', {}, { channels, writers, sources, reach: createRules });
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('the fields that take an address', () => {
  it('are all called so by their schemas', () => {
    expect(places.map(({ id, field }) => `${id}.${field}`).sort()).toEqual([
      'apprise.api_url',
      'discord.url',
      'email.host',
      'github.api_url',
      'jira.base_url',
      'linear.api_url',
      'notion-database.base_url',
      'notion.base_url',
      'pagerduty.api_url',
      'pagerduty.rest_url',
      'slack-webhook.url',
      'slack-webhook.urls.critical',
      'slack-webhook.urls.error',
      'slack-webhook.urls.info',
      'slack-webhook.urls.warning',
      'slack.api_url',
      'sms.api_url',
      'sms.status_callback',
      'teams.url',
      'telegram.api_url',
      'webhook.url',
    ]);
  });

  it('are all that there are: no other field is named like one, begins as one, or takes nothing but one', () => {
    const known = new Set(places.map(({ id, field }) => `${id}.${field}`));
    for (const { id, config } of kinds) {
      for (const { field, schema } of fieldsOf(config.toJSONSchema({ io: 'input' }))) {
        const given = [schema.default, valueAt(sampleOf(id), field)].filter((value) => typeof value === 'string');
        const isAddress =
          /(^|[._])(url|uri|address|host|hostname|endpoint|server|proxy|callback|webhook|origin)$/.test(field) ||
          given.some((value) => /^https?:/.test(value));
        if (isAddress) expect(known).toContain(`${id}.${field}`);
      }
    }
  });

  it('may be what the samples and the defaults are', () => {
    for (const { id } of kinds) expect([id, problemsWith(id, sampleOf(id))]).toEqual([id, '']);
  });
});

describe.each(places)('$id, $field', ({ id, field, kind }) => {
  const on = (origin: string): string => urlOn({ id, field }, origin);
  const refused =
    kind === 'uri'
      ? INSIDE_HOSTS.map((host) => on(`https://${host}`))
      : [...INSIDE_HOSTS, '::1', '::ffff:127.0.0.1'].filter(isServerName);
  const at = (value: string) => withField(sampleOf(id), field.split('.'), value);

  it('is refused with its name when it leads inside, in every spelling', () => {
    expect(refused.length).toBeGreaterThan(20);
    for (const value of refused)
      expect([value, problemsWith(id, at(value))]).toEqual([value, expect.stringContaining(field)]);
    if (kind === 'uri')
      for (const value of NO_WEB_URLS)
        expect([value, problemsWith(id, at(value))]).toEqual([value, expect.stringContaining(field)]);
  });

  it('is refused on a port where something else listens, and taken where it was allowed', () => {
    const [host, fields] =
      kind === 'uri' ? ['ok.test', at(on('https://ok.test:22'))] : ['ok.test', { ...at('ok.test'), port: 22 }];
    expect(problemsWith(id, fields)).toContain('port 22 is only for hosts listed under egress.allow');
    expect(problemsWith(id, fields, `{ allow: [${host}] }`)).toBe('');
    expect(problemsWith(id, fields, '{ ports: [22] }')).toBe('');
    const local = kind === 'uri' ? at(on('http://10.1.2.3:3000')) : { ...at('10.1.2.3'), port: 3_000 };
    expect(problemsWith(id, local)).toContain(field);
    expect(problemsWith(id, local, '{ allow: ["10.0.0.0/8"] }')).toBe('');
  });

  it('is not asked of an integration that is switched off', () => {
    const fields = kind === 'uri' ? at(on('https://127.0.0.1')) : at('127.0.0.1');
    expect(problemsWith(id, { ...fields, enabled: false })).toBe('');
  });
});

/** What the schema of a server's name lets pass. */
const isServerName = (host: string): boolean => /^[\w.:-]{1,253}$/.test(host);

/** Addresses that are called by the check of an integration, and never with a message. */
const CHECKED_ONLY = new Set(['pagerduty.rest_url']);

describe('at the moment of sending', () => {
  let server: Server;
  let port = 0;
  const seen: string[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.end('ok');
    });
    server.on('connection', () => seen.push('a connection'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const egressWith = (resolveHost: ResolveHost) => createEgress({ allow: [], ports: [port], resolveHost });

  /** One real send through the guard, with this address in this field. */
  async function sendTo(place: Place, host: string, resolveHost: ResolveHost): Promise<Outcome> {
    const { id, field, kind } = place;
    const egress = egressWith(resolveHost);
    const value = kind === 'uri' ? urlOn(place, `https://${host}:${port}`) : host;
    const config = withField({ ...sampleOf(id), ...(kind === 'hostname' && { port }) }, field.split('.'), value);
    const signal = AbortSignal.timeout(10_000);
    try {
      const [writer] = writers.filter((one) => one.id === id);
      if (writer) {
        const page = {
          date: '2026-01-15',
          name: 'daily',
          title: 'A day',
          sections: [],
          facts: {},
          key: 'daily/2026-01-15',
        };
        return await writer.writePage({ config: writer.config.parse(config), fetch: egress.fetch, signal, page });
      }
      const channel = channels.find((one) => one.id === id) as unknown as Channel;
      const { fetch, resolve } = egress;
      const call = callOf(channel, config, { fetch, resolve, signal });
      // Of several addresses the one of the severity is called.
      const severity = (field.split('.')[1] ?? 'info') as 'info';
      const notice = { ...call.notice, incident: { ...call.notice.incident, severity } };
      if (CHECKED_ONLY.has(`${id}.${field}`) && channel.check) return await channel.check(call);
      return await channel.send({ ...call, notice });
    } finally {
      await egress.close();
    }
  }

  const called = places.filter(({ id, field }) => !CALLED_BY_OTHERS.has(`${id}.${field}`));
  const handedOver = places.filter((place) => !called.includes(place));

  it.each(called)(
    '$id, $field: nothing inside is called, however the name is resolved, and all refusals are alike',
    async (place) => {
      const details = new Set<string>();
      const resolutions: [string, ResolveHost][] = [
        ['vendor.test', async () => ['127.0.0.1']],
        ['vendor.test', async () => ['93.184.215.14', '127.0.0.1']],
        ['vendor.test', async () => ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', '::1']],
        ['vendor.test', async () => ['::ffff:127.0.0.1']],
        ['vendor.test', async () => ['169.254.169.254']],
      ];
      for (const [host, resolveHost] of resolutions) {
        const outcome = await sendTo(place, host, resolveHost);
        expect(outcome).toMatchObject({ kind: 'rejected', reason: 'blocked' });
        if (outcome.kind !== 'delivered') details.add(outcome.detail);
      }
      expect([...details]).toEqual([expect.stringContaining('vendor.test is not allowed by the egress rules')]);
      expect(await sendTo(place, '127.0.0.1', async (host) => [host])).toMatchObject({
        kind: 'rejected',
        reason: 'blocked',
      });
      expect(seen).toEqual([]);
    },
  );

  it.each(called)(
    '$id, $field: a name that was good when it was read, and is bad now, is not called',
    async (place) => {
      const answers = [['93.184.215.14'], ['127.0.0.1']];
      const rebinding: ResolveHost = async () => answers.shift() ?? ['127.0.0.1'];
      expect(await rebinding('vendor.test')).toEqual(['93.184.215.14']);
      expect(await sendTo(place, 'vendor.test', rebinding)).toMatchObject({ kind: 'rejected', reason: 'blocked' });
      expect(seen).toEqual([]);
    },
  );

  it.each(handedOver)('$id, $field: is never called by us', async ({ id, field }) => {
    const channel = channels.find((one) => one.id === id) as unknown as Channel;
    const config = withField(sampleOf(id), field.split('.'), 'https://callback.test/x');
    const asked: string[] = [];
    const fetch: typeof globalThis.fetch = async (url) => {
      asked.push(new URL(String(url)).host);
      return new Response('{}', { status: 201 });
    };
    const call = callOf(channel, config, { fetch });
    await channel.send(call);
    await channel.check?.(call);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked).not.toContain('callback.test');
  });
});
