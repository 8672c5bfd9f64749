/** Grafana, Sentry and Datadog at the door, with what each of them shows to prove itself. */
import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { sources } from '../../src/sources/index.ts';
import datadog from '../samples/datadog/recorded-triggered.json' with { type: 'json' };
import grafana from '../samples/grafana/firing-and-resolved.json' with { type: 'json' };
import sentryAlert from '../samples/sentry/event-alert.json' with { type: 'json' };
import sentryIssue from '../samples/sentry/issue-resolved.json' with { type: 'json' };
import { type Api, pick, startApi } from './harness.ts';

const GRAFANA = 'the-hmac-secret-of-grafana';
const SENTRY = 'the-client-secret-of-sentry';
const DATADOG = 'the-token-of-datadog';
const CONFIG = `
integrations: { terminal: { type: stdout } }
default: { notify: [terminal] }
sources:
  dashboards: { type: grafana, secret: ${GRAFANA}, timestamp_header: X-Sent-At }
  crashes: { type: sentry, secret: ${SENTRY} }
  hosts: { type: datadog, token: ${DATADOG} }
`;
const config = fromText(CONFIG, 'the tests', {}, { channels, writers, sources });

let api: Api;
beforeAll(async () => {
  api = await startApi({ config });
});
afterAll(() => api.stop());

type Proof = (raw: Buffer, sent_at?: number) => Record<string, string>;
const hmac = (secret: string, ...parts: (string | Buffer)[]) => {
  const sum = createHmac('sha256', secret);
  for (const part of parts) sum.update(part);
  return sum.digest('hex');
};
const seconds = () => Math.floor(api.clock.now.getTime() / 1_000);
const proofs: Record<string, Proof> = {
  dashboards: (raw, at = seconds()) => ({
    'x-grafana-alerting-signature': hmac(GRAFANA, `${at}:`, raw),
    'x-sent-at': String(at),
  }),
  crashes: (raw, at = seconds()) => ({
    'sentry-hook-resource': 'event_alert',
    'sentry-hook-signature': hmac(SENTRY, raw),
    'sentry-hook-timestamp': String(at),
  }),
  hosts: () => ({ authorization: `Bearer ${DATADOG}` }),
};
const bodies: Record<string, unknown> = { dashboards: grafana, crashes: sentryAlert, hosts: datadog };
const NAMES = ['dashboards', 'crashes', 'hosts'];

const send = (name: string, raw: Buffer, headers = proofs[name]?.(raw) ?? {}, to = api) =>
  to.call('POST', `/v1/sources/${name}`, { raw, headers });
const bytes = (name: string) => Buffer.from(JSON.stringify(bodies[name]));
const status = async (name: string, raw: Buffer, headers?: Record<string, string>) =>
  (await send(name, raw, headers)).status;

it('Grafana may be set to PUT as well, with the same proof; and nothing else is taken', async () => {
  const raw = Buffer.from(JSON.stringify({ ...grafana, externalURL: 'https://put.example.com/' }));
  const put = (headers: Record<string, string>) => api.call('PUT', '/v1/sources/dashboards', { raw, headers });
  expect((await put({})).status).toBe(401);
  const { status, body } = await put(proofs.dashboards?.(raw) ?? {});
  expect([status, (pick(body, 'accepted') as unknown[]).length]).toEqual([202, 3]);
  expect(pick((await send('dashboards', raw)).body, 'duplicates')).toEqual(pick(body, 'accepted'));
  expect((await api.call('PATCH', '/v1/sources/dashboards', { raw })).status).toBe(405);
});

describe.each(NAMES)('the source %s', (name) => {
  it('keeps what it sends without any key, and knows it when it is sent again', async () => {
    const first = await send(name, bytes(name));
    expect([first.status, pick(first.body, 'rejected')]).toEqual([202, []]);
    const kept = pick(first.body, 'accepted') as unknown[];
    expect(kept).toHaveLength(name === 'dashboards' ? 3 : 1);
    const again = await send(name, bytes(name));
    expect([again.status, pick(again.body, 'accepted'), pick(again.body, 'duplicates')]).toEqual([202, [], kept]);
  });

  it('is refused without its proof, with a wrong one, and with a key instead', async () => {
    const raw = bytes(name);
    const wrong = Object.fromEntries(Object.keys(proofs[name]?.(raw) ?? {}).map((header) => [header, 'x']));
    expect([await status(name, raw, {}), await status(name, raw, wrong)]).toEqual([401, 401]);
    const keyed = await api.call('POST', `/v1/sources/${name}`, { key: api.keys.admin, raw });
    expect(keyed.status).toBe(401);
    expect(keyed.text).not.toMatch(/the-(?:hmac|client|token)/);
  });

  it('that sends what is no event of ours, or nothing we know, has it named and is not told to try again', async () => {
    for (const raw of ['{"hello":"world"}', '[]', 'null', '7']) {
      const { status, body } = await send(name, Buffer.from(raw));
      expect([raw, status, pick(body, 'accepted'), pick(body, 'rejected', 0, 'index')]).toEqual([raw, 202, [], 0]);
    }
  });

  it('gets 400 for what is cut off, 413 for what is too large and 415 for what is packed', async () => {
    const raw = bytes(name);
    const cut = raw.subarray(0, raw.length - 9);
    expect(await status(name, cut)).toBe(400);
    expect(await status(name, Buffer.alloc(25 * 1024 * 1024, ' '))).toBe(413);
    const packed = gzipSync(raw);
    expect(await status(name, packed, { ...proofs[name]?.(packed), 'content-encoding': 'gzip' })).toBe(415);
  });
});

describe('a signed message', () => {
  it.each(['dashboards', 'crashes'])('of %s with a byte changed on its way is refused', async (name) => {
    const raw = bytes(name);
    const headers = proofs[name]?.(raw) ?? {};
    expect(await status(name, Buffer.concat([raw, Buffer.from(' ')]), headers)).toBe(401);
  });

  it.each(['dashboards', 'crashes'])('of %s that was sent long ago is refused', async (name) => {
    const raw = bytes(name);
    expect(await status(name, raw, proofs[name]?.(raw, seconds() - 290))).toBe(202);
    expect(await status(name, raw, proofs[name]?.(raw, seconds() - 310))).toBe(401);
  });
});

it('an issue that is resolved in Sentry ends what its alert rule opened', async () => {
  const { issue } = sentryIssue.data;
  const resolved = { ...sentryIssue, data: { issue: { ...issue, id: '1635244907' } } };
  expect(await status('crashes', Buffer.from(JSON.stringify(resolved)))).toBe(202);
  const kept = await api.ledger.query<{ key: string; status: string }>(
    "select event->>'dedup_key' as key, event->>'status' as status from events where event->>'source' = 'sentry' order by 2",
  );
  expect(kept).toEqual([
    { key: 'issue/1635244907', status: 'firing' },
    { key: 'issue/1635244907', status: 'resolved' },
  ]);
});

it('without an entry in the configuration Grafana and Datadog need a key, and Sentry is not found', async () => {
  const answers = await Promise.all(
    ['grafana', 'datadog', 'sentry'].map((name) =>
      api.call('POST', `/v1/sources/${name}`, { key: api.keys.ingest, body: {} }),
    ),
  );
  expect(answers.map((answer) => answer.status)).toEqual([202, 202, 404]);
  expect((await api.call('POST', '/v1/sources/grafana', { body: {} })).status).toBe(401);
});

it('what asks too often is told so in the way that makes it come back: Grafana and Datadog give up at 429', async () => {
  for (const [name, status] of [
    ['grafana', 503],
    ['datadog', 503],
    ['crashes', 429],
  ] as const) {
    const busy = await api.beside({ limits: { key: { per_second: 0.5, burst: 1 } } });
    const raw = Buffer.from('{}');
    const ask = () =>
      busy.call('POST', `/v1/sources/${name}`, { raw, headers: proofs[name]?.(raw) ?? {}, key: keyFor(name) });
    expect([name, (await ask()).status]).toEqual([name, 202]);
    const refused = await ask();
    expect([name, refused.status, refused.headers.get('retry-after')]).toEqual([name, status, '2']);
    await busy.stop();
  }
});
const keyFor = (name: string) => (name in proofs ? undefined : api.keys.ingest);
