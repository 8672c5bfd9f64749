/** The gRPC door as its callers meet it: a real client over loopback, over a ledger in memory. */
import { fileURLToPath } from 'node:url';
import {
  type Client,
  credentials,
  loadPackageDefinition,
  Metadata,
  makeClientConstructor,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuth } from '../../src/http/auth.ts';
import { createBuckets } from '../../src/http/bucket.ts';
import { keep } from '../../src/http/events.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { makeKey, revokeKey, type Scope } from '../../src/ledger/keys.ts';
import { createWaits } from '../../src/ledger/outcomes.ts';
import { type GrpcDeps, type GrpcSettings, startGrpc } from '../../src/listeners/grpc.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createAuthority } from '../support/authority.ts';
import { attempted, notice } from '../support/deliveries.ts';
import { claimAll, openTestLedger, routing } from '../support/ledger.ts';
import { until } from '../support/until.ts';

type Fields = Record<string, unknown>;
type Unary = (
  request: Fields,
  metadata: Metadata,
  options: object,
  done: (error: ServiceError | null, answer: Fields) => void,
) => void;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const proto = (path: string) => loadSync(here(path), { keepCase: true, longs: Number, defaults: true });
const { tocsin } = loadPackageDefinition(proto('../../src/listeners/grpc/tocsin.proto')) as unknown as {
  tocsin: { v1: { IncidentService: ServiceClientConstructor } };
};
const rich = proto('../../src/listeners/grpc/status.proto');
const OWNER = { by: 'the tests', key: 'none' };

let ledger: Ledger;
let keys: Record<Scope, { id: string; secret: string }>;
const clock = { now: new Date() };
const logged: string[] = [];
beforeAll(async () => {
  ({ ledger } = await openTestLedger());
  const keyWith = (scope: Scope) => makeKey(ledger, { name: `${scope} key`, scopes: [scope] }, OWNER);
  keys = { ingest: await keyWith('ingest'), operator: await keyWith('operator'), admin: await keyWith('admin') };
});
afterAll(() => ledger.close());

const undo: (() => unknown)[] = [];
afterEach(async () => {
  clock.now = new Date();
  await claimAll(ledger);
  for (const step of undo.splice(0).reverse()) await step();
});

/** A server of its own; what is given stands in place of the usual. */
async function start(more: Partial<GrpcDeps> = {}, settings: Partial<GrpcSettings> = {}) {
  const door = createDoor(ledger, { routing: routing() });
  const metrics = createMetrics({ reasons: [], channels: [], failures: [], routes: [] });
  const ending = new AbortController();
  const now = () => clock.now;
  const { where, stop } = await startGrpc(
    { host: '127.0.0.1', port: 0, ...settings },
    {
      ledger,
      log: createLog({ level: 'debug', secrets: [], destination: { write: (line: string) => logged.push(line) } }),
      now,
      auth: createAuth({ db: ledger, now }),
      rate: createBuckets({ per_second: 1_000, burst: 1_000 }),
      waits: createWaits(ledger, ending.signal),
      keep: (events, source) => keep(events, source, { door, metrics, limits: undefined }),
      ...more,
    },
  );
  const end = async () => {
    ending.abort();
    await stop();
  };
  undo.push(end);
  const clientOf = <Of extends Client>(make: new (...given: never[]) => Of, ssl = credentials.createInsecure()): Of => {
    const address = where.slice(where.indexOf('//') + 2);
    // Else the clients of this process share one connection.
    const client = new (make as new (...given: unknown[]) => Of)(address, ssl, { 'grpc.use_local_subchannel_pool': 1 });
    undo.push(() => client.close());
    return client;
  };
  return { where, stop: end, clientOf };
}

const DEADLINE_MS = 30_000;
/** A call as a promise; rejects with the ServiceError. */
const call = (client: Client, name: string, request: Fields, key?: string, more: Fields = {}): Promise<Fields> =>
  new Promise((resolve, reject) => {
    const metadata = new Metadata();
    if (key !== undefined) metadata.set('authorization', `Bearer ${key}`);
    const method = (client as unknown as Record<string, Unary>)[name] as Unary;
    const options = { deadline: Date.now() + DEADLINE_MS, ...more };
    method.call(client, request, metadata, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
const failure = (calling: Promise<unknown>): Promise<ServiceError> =>
  calling.then(
    () => Promise.reject(new Error('it was answered')),
    (error: ServiceError) => error,
  );
/** The details that an error has beside its code and words, by their type. */
const detailsOf = ({ metadata }: ServiceError): Record<string, Fields> => {
  const read = (name: string, bytes: Buffer) =>
    (rich[`google.rpc.${name}`] as MessageTypeDefinition<Fields, Fields>).deserialize(bytes);
  const [bytes] = metadata.get('grpc-status-details-bin');
  const { details } = read('Status', bytes as Buffer) as { details: { type_url: string; value: Buffer }[] };
  const nameOf = (type: string) => type.split('.').at(-1) ?? '';
  return Object.fromEntries(details.map(({ type_url, value }) => [nameOf(type_url), read(nameOf(type_url), value)]));
};
const incidents = async (more: Partial<GrpcDeps> = {}) => {
  const server = await start(more);
  const client = server.clientOf(tocsin.v1.IncidentService);
  return {
    ...server,
    client,
    submit: (request: Fields, key: string | undefined = keys.ingest.secret, options: Fields = {}) =>
      call(client, 'SubmitAlert', request, key, options),
    create: (request: Fields, key: string | undefined = keys.ingest.secret) =>
      call(client, 'CreateIncident', request, key),
    resolve: (request: Fields, key: string | undefined = keys.operator.secret) =>
      call(client, 'ResolveIncident', request, key),
  };
};
const alert = (more: Fields = {}): Fields => ({ source: 'grpc-tests', title: 'It broke', severity: 'P0', ...more });
const eventOf = async (id: string): Promise<Fields | undefined> =>
  (await ledger.query<{ event: Fields }>('select event from events where id = $1', [id]))[0]?.event;
const worked = () =>
  until('an incident to be told', async () => {
    const claims = await claimAll(ledger);
    for (const claim of claims) await attempted(ledger, {}, await notice(ledger, 'group_now', claim));
    return claims[0]?.batch.incident;
  });

describe('SubmitAlert', () => {
  it('keeps the same event as POST /v1/alerts, and answers with what was told', async () => {
    const { submit } = await incidents();
    const id = crypto.randomUUID();
    const answer = submit(
      alert({
        id,
        type: 'Availability',
        description: 'All requests returning 503',
        service: id,
        affected_resources: ['gateway'],
        labels: { environment: 'production' },
        annotations: { region: 'eu' },
        runbook_url: 'https://runbooks.example.com',
        occurred_at: { seconds: 1_700_000_000, nanos: 5e8 },
        wait: { seconds: 20 },
      }),
    );
    const incident_id = await worked();
    expect(await answer).toMatchObject({
      id,
      duplicate: false,
      incident_id,
      results: [{ incident_id, integration: 'chat', type: 'stdout', state: 'delivered' }],
    });
    expect(await eventOf(id)).toMatchObject({
      type: 'Availability',
      severity: 'critical',
      severity_word: 'P0',
      body: 'All requests returning 503',
      components: ['gateway'],
      labels: { environment: 'production' },
      context: { annotations: { region: 'eu' } },
      links: [{ url: 'https://runbooks.example.com' }],
      occurred_at: '2023-11-14T22:13:20.500Z',
    });
    expect(await submit(alert({ id }))).toMatchObject({ id, duplicate: true, results: [] });
  });

  it('names each field that is wrong, in words and as details', async () => {
    const { submit } = await incidents();
    const error = await failure(submit({ source: 'x', title: 'x', severity: 'purple', affected_resources: [''] }));
    expect([error.code, error.details]).toEqual([status.INVALID_ARGUMENT, expect.stringContaining('severity')]);
    const { field_violations } = detailsOf(error).BadRequest as { field_violations: { field: string }[] };
    expect(field_violations.map(({ field }) => field).sort()).toEqual(['affected_resources[0]', 'severity']);
    for (const more of [{ wait: { seconds: 31 } }, { wait: { seconds: -1 } }, { occurred_at: { seconds: 9e14 } }])
      expect(await failure(submit(alert(more)))).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(error.details).not.toContain('purple');
  });

  it('waits no longer than until its deadline', async () => {
    const asked: number[] = [];
    const told: GrpcDeps['waits']['told'] = async (_, for_ms) => {
      asked.push(for_ms);
      return { incidents: [], isOpen: true, isTold: false, outcomes: [] };
    };
    const { submit } = await incidents({ waits: { told, open: told } });
    await submit(alert({ wait: { seconds: 30 } }), undefined, { deadline: Date.now() + 10_000 });
    await submit(alert({ wait: { seconds: 30 } }), undefined, { deadline: Number.POSITIVE_INFINITY });
    expect(asked).toEqual([expect.toSatisfy((ms) => ms < 10_000), 30_000]);
  });
});

describe('CreateIncident and ResolveIncident', () => {
  it('open an incident of its own and resolve it, by either of its ids', async () => {
    const { create, resolve } = await incidents();
    const id = crypto.randomUUID();
    const answer = create(alert({ id, labels: { a: 'b' }, wait: { seconds: 20 } }));
    const incident_id = await worked();
    expect(await answer).toMatchObject({ id, duplicate: false, incident_id, results: [{ state: 'delivered' }] });
    // Without a wait it is answered with the id of what is open, and without results.
    expect(await create(alert({ id }))).toMatchObject({ id, duplicate: true, incident_id, results: [] });
    expect(await resolve({ incident_id: id, resolved_by: 'ana', notes: 'Restarted' })).toEqual({
      incident_id,
      status: 'resolved',
      already: false,
      by: 'ana',
    });
    expect(await resolve({ incident_id })).toMatchObject({ already: true, by: 'ana' });
    await ledger.query(`update incidents set closed_at = now() where id = $1`, [incident_id]);
    expect(await failure(resolve({ incident_id }))).toMatchObject({ code: status.FAILED_PRECONDITION });
    expect(await failure(resolve({ incident_id: 'INC-0' }))).toMatchObject({ code: status.NOT_FOUND });
    expect(await failure(resolve({}))).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await failure(resolve({ incident_id, notes: 'a\0b' }))).toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});

describe('keys', () => {
  it('are those of HTTP, with their scopes', async () => {
    const { submit, resolve, client } = await incidents();
    expect(await failure(call(client, 'SubmitAlert', alert()))).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await failure(submit(alert(), 'wrong'))).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await failure(submit(alert(), keys.operator.secret))).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: 'this needs a key with the scope ingest; this one has operator',
    });
    expect(await failure(resolve({ incident_id: 'x' }, keys.ingest.secret))).toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    expect((await submit(alert(), keys.admin.secret)).id).toEqual(expect.any(String));
  });

  it('stop working within 5 seconds of being revoked', async () => {
    const { submit } = await incidents();
    const { id, secret } = await makeKey(ledger, { name: 'short', scopes: ['ingest'] }, OWNER);
    await submit(alert(), secret);
    await revokeKey(ledger, id, OWNER);
    clock.now = new Date(Date.now() + 5_000);
    expect(await failure(submit(alert(), secret))).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('are not guessed for long, nor asked with faster than agreed; both say when to come back', async () => {
    const auth = createAuth({ db: ledger, now: () => clock.now, attempts: { per_second: 0.01, burst: 2 } });
    const { submit } = await incidents({ auth, rate: createBuckets({ per_second: 0.1, burst: 1 }) });
    await submit(alert());
    const often = await failure(submit(alert()));
    expect([often.code, often.metadata.get('grpc-retry-pushback-ms')]).toEqual([status.RESOURCE_EXHAUSTED, ['10000']]);
    expect(detailsOf(often).RetryInfo).toMatchObject({ retry_delay: { seconds: 10 } });
    for (const key of ['a', 'b']) await failure(submit(alert(), key));
    expect(await failure(submit(alert(), 'c'))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining('failed attempts'),
    });
  });
});

describe('what goes wrong', () => {
  it('is UNAVAILABLE while the ledger is away, with when to come back', async () => {
    const away = async () => Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    const { submit } = await incidents({ keep: away });
    const error = await failure(submit(alert()));
    expect([error.code, error.details]).toEqual([status.UNAVAILABLE, expect.stringContaining('nothing was kept')]);
    expect(detailsOf(error).RetryInfo).toMatchObject({ retry_delay: { seconds: 2 } });
  });

  it('is INTERNAL for what nobody foresaw, which only the log tells', async () => {
    const { submit } = await incidents({ keep: async () => Promise.reject(new Error('a private matter')) });
    const error = await failure(submit(alert()));
    expect([error.code, error.message]).toEqual([status.INTERNAL, expect.not.stringContaining('private')]);
    const [id] = error.metadata.get('x-request-id');
    expect(logged.find((line) => line.includes(String(id)))).toContain('a private matter');
    expect(logged.join('')).not.toContain(keys.ingest.secret);
  });

  it('is RESOURCE_EXHAUSTED for a message that is too large, and nothing of it is kept', async () => {
    const { submit } = await incidents();
    const id = crypto.randomUUID();
    expect(await failure(submit(alert({ id, description: 'x'.repeat(70_000) })))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    expect(await eventOf(id)).toBe(undefined);
  });
});

describe('the server', () => {
  const Health = makeClientConstructor(healthService as never, 'grpc.health.v1.Health');

  it('says that it does not serve while the ledger is away, and that it does again', async () => {
    let isAway = true;
    const query: Ledger['query'] = async (sql, params) => {
      if (isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
      return ledger.query(sql, params);
    };
    const { clientOf } = await start({ ledger: { ...ledger, query } }, { look_ms: 10 });
    const health = clientOf(Health);
    const service = 'tocsin.v1.IncidentService';
    await expect.poll(() => call(health, 'check', { service })).toEqual({ status: 'NOT_SERVING' });
    isAway = false;
    await expect.poll(() => call(health, 'check', { service })).toEqual({ status: 'SERVING' });
  });

  it('says that it serves, and what: health and reflection need no key', async () => {
    const { clientOf } = await start();
    const health = clientOf(Health);
    for (const service of ['', 'tocsin.v1.IncidentService'])
      expect(await call(health, 'check', { service })).toEqual({ status: 'SERVING' });
    expect(await failure(call(health, 'check', { service: 'nobody' }))).toMatchObject({ code: status.NOT_FOUND });

    const file = here('../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto');
    const { grpc } = loadPackageDefinition(loadSync(file)) as unknown as {
      grpc: { reflection: { v1: { ServerReflection: ServiceClientConstructor } } };
    };
    const reflection = clientOf(grpc.reflection.v1.ServerReflection) as unknown as {
      serverReflectionInfo(): NodeJS.EventEmitter & { write(request: object): void; end(): void };
    };
    const asked = reflection.serverReflectionInfo();
    const ask = (request: object) =>
      new Promise<Fields>((resolve, reject) => {
        asked.once('data', resolve).once('error', reject);
        asked.write(request);
      });
    expect(await ask({ listServices: '*' })).toMatchObject({
      listServicesResponse: { service: [{ name: 'tocsin.v1.IncidentService' }] },
    });
    expect(await ask({ fileContainingSymbol: 'tocsin.v1.IncidentService' })).toMatchObject({
      fileDescriptorResponse: { fileDescriptorProto: expect.any(Array) },
    });
    asked.end();
  });

  it('says first that it serves no more, then answers what has begun, and stops though somebody watches', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    const slow: GrpcDeps['keep'] = async (events) => {
      begun++;
      await held;
      return { accepted: events.map(({ id }) => ({ id })), duplicates: [] };
    };
    const { submit, clientOf, stop } = await incidents({ keep: slow });
    const seen: string[] = [];
    const watch = clientOf(Health) as unknown as { watch(request: object): NodeJS.EventEmitter };
    watch
      .watch({ service: '' })
      .on('data', ({ status: said }: { status: string }) => seen.push(said))
      .on('error', () => undefined);
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(['SERVING']);
    const calls = Promise.allSettled(Array.from({ length: 50 }, () => submit(alert())));
    await expect.poll(() => begun, { timeout: 20_000 }).toBe(50);
    const stopped = stop();
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(['SERVING', 'NOT_SERVING']);
    release();
    expect((await calls).map((one) => one.status)).toEqual(Array(50).fill('fulfilled'));
    await stopped;
    expect(await failure(submit(alert(), undefined, { deadline: Date.now() + 2_000 }))).toMatchObject({
      code: expect.toSatisfy((code) => code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED),
    });
  });

  it('loses no alert that it answered for, stopped in the middle of many', async () => {
    const { submit, stop } = await incidents();
    const ids = Array.from({ length: 300 }, () => crypto.randomUUID());
    let answered = 0;
    const calls = ids.map((id) =>
      submit(alert({ id })).then(
        () => {
          answered++;
          return id;
        },
        () => undefined,
      ),
    );
    await expect.poll(() => answered, { timeout: 20_000 }).toBeGreaterThan(0);
    await stop();
    const kept = (await Promise.all(calls)).filter((id) => id !== undefined);
    const found = await ledger.query<{ id: string }>('select id from events where id = any($1::text[])', [kept]);
    expect(found).toHaveLength(kept.length);
  });

  it('is encrypted where it is given a certificate', async () => {
    const authority = await createAuthority('the tests');
    undo.push(() => authority.remove());
    const names = [{ type: 'ip' as const, value: '127.0.0.1' }];
    const { cert, key } = await authority.issue('the gRPC door', { names });
    const { where, clientOf } = await start({}, { tls: { cert, key } });
    expect(where).toMatch(/^grpcs:\/\/127\.0\.0\.1:\d+$/);
    const client = clientOf(tocsin.v1.IncidentService, credentials.createSsl(Buffer.from(authority.ca.cert)));
    expect((await call(client, 'SubmitAlert', alert(), keys.ingest.secret)).id).toEqual(expect.any(String));
    const plain = clientOf(tocsin.v1.IncidentService);
    const tried = call(plain, 'SubmitAlert', alert(), keys.ingest.secret, { deadline: Date.now() + 2_000 });
    expect((await failure(tried)).code).not.toBe(status.OK);
  });

  it('takes no more connections than it may have', async () => {
    const { clientOf } = await start({}, { connections: 1 });
    const first = clientOf(tocsin.v1.IncidentService);
    await call(first, 'SubmitAlert', alert(), keys.ingest.secret);
    const second = clientOf(Health);
    expect(
      await failure(call(second, 'check', { service: '' }, undefined, { deadline: Date.now() + 1_000 })),
    ).toMatchObject({
      code: expect.toSatisfy((code) => code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED),
    });
    first.close();
    await until(
      'a place to be free',
      () => call(clientOf(Health), 'check', { service: '' }).catch(() => undefined),
      20_000,
    );
  });
});
