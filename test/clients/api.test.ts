import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTocsin } from '../../src/clients/client.ts';
import { type Api, startApi } from '../http/harness.ts';
import { clientTypes, type Document, typeOf } from '../support/client-types.ts';

const FILE = fileURLToPath(new URL('../../src/clients/api.ts', import.meta.url));

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

describe('the types of the client', () => {
  it('are those of the OpenAPI document; CLIENT=write renews them', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    const types = clientTypes(body as Document);
    if (process.env.CLIENT === 'write') writeFileSync(FILE, types);
    expect(existsSync(FILE) && readFileSync(FILE, 'utf8')).toBe(types);
  });

  it.each([
    [{ type: 'array', items: { type: 'string' } }, 'string[]'],
    [{ type: 'array', items: { enum: ['a', "b'c"] } }, "Array<'a' | 'b\\'c'>"],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }, { type: 'number' }] }, 'number | null'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ $ref: '#/components/schemas/Event' }, 'Event'],
    [{ type: 'object', additionalProperties: { const: 1 } }, 'Record<string, 1>'],
    [{}, 'unknown'],
    [
      { type: 'object', properties: { a: { type: 'boolean' }, 'b-c': {} }, required: ['a'] },
      "{ a: boolean; 'b-c'?: unknown }",
    ],
  ])('say %j as %j', (schema, type) => {
    expect(typeOf(schema, '')).toBe(type);
  });
});

describe('the client', () => {
  it('sends an event and reads where it went', async () => {
    const ingest = createTocsin({ url: api.url, key: api.keys.ingest });
    const body = { source: 'client', type: 'outage', title: 'Checkout is down', severity: 'critical' };
    const sent = await ingest.POST('/v1/events', { body });
    const id: string | undefined = sent.data?.accepted[0]?.id;
    const operator = createTocsin({ url: `${api.url}/`, key: api.keys.operator });
    const { data } = await operator.GET('/v1/events/{id}', { params: { path: { id: id ?? '' } } });
    expect(data?.events).toMatchObject([{ id, source: 'client' }]);
    // @ts-expect-error there is no such status
    const odd = await operator.GET('/v1/incidents', { params: { query: { status: 'purple' } } });
    expect(odd.error).toMatchObject({ status: 400, errors: [{ field: 'status' }] });
  });

  it('gives a refusal as the problem that it is', async () => {
    const { data, error, response } = await createTocsin({ url: api.url, key: 'none' }).GET('/v1/incidents');
    const status: number | undefined = error?.status;
    expect([data, status, response.status]).toEqual([undefined, 401, 401]);
  });

  it('is not compiled with what the API does not have and would refuse', async () => {
    const client = createTocsin({ url: api.url, key: 'none' });
    const wrong = [
      // @ts-expect-error no such path
      () => client.GET('/v1/pigeons'),
      // @ts-expect-error an event needs a source
      () => client.POST('/v1/events', { body: { type: 'x', title: 'x' } }),
      // @ts-expect-error the id is missing
      () => client.POST('/v1/incidents/{id}/ack'),
    ];
    const statuses = await Promise.all(wrong.map(async (call) => (await call()).response.status));
    expect(statuses).toEqual([404, 401, 401]);
  });
});
