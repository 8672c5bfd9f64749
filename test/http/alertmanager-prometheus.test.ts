/** A real Prometheus that takes us for its Alertmanager: its rules fire, are repeated, resolve, and are repeated again. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPrograms, havePrograms, type Programs } from '../support/programs.ts';
import { type Api, startApi } from './harness.ts';

const RULES = `
groups:
  - name: demo
    rules:
      - alert: CheckoutBroken
        expr: tocsin_demo_broken == 1
        labels: { severity: critical, service: checkout }
        annotations: { summary: Checkout refuses every card }
`;
/** A scrape, an evaluation and a sending, each a second apart, on a busy machine. */
const HEARD = { timeout: 60_000, interval: 100 };
/** A minute unless it is set. */
const RESEND = '1s';

describe.runIf(havePrograms('prometheus'))('Prometheus', () => {
  let api: Api;
  let programs: Programs;
  let shop: Server;
  let isBroken = false;

  beforeAll(async () => {
    api = await startApi({ now: () => new Date() });
    shop = createServer((_request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(`# TYPE tocsin_demo_broken gauge\ntocsin_demo_broken ${isBroken ? 1 : 0}\n`);
    });
    await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve));
    programs = createPrograms();
    const { host } = new URL(api.url);
    await programs.start('prometheus', [
      `--config.file=${programs.file('prometheus.yml', {
        global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
        rule_files: [programs.file('rules.yml', RULES)],
        alerting: {
          alertmanagers: [
            {
              basic_auth: { username: 'prometheus', password_file: programs.file('key', api.keys.ingest) },
              static_configs: [{ targets: [host] }],
            },
          ],
        },
        scrape_configs: [
          {
            job_name: 'shop',
            static_configs: [{ targets: [`127.0.0.1:${(shop.address() as AddressInfo).port}`] }],
          },
        ],
      })}`,
      `--storage.tsdb.path=${programs.folder('prometheus')}`,
      '--web.listen-address=127.0.0.1:0',
      `--rules.alert.resend-delay=${RESEND}`,
    ]);
  }, 60_000);
  afterAll(async () => {
    await programs?.end();
    shop?.closeAllConnections();
    shop?.close();
    await api?.stop();
  });

  const kinds = async () =>
    (await api.ledger.query<{ kind: string }>('select kind from inbox order by seq')).map(({ kind }) => kind);
  const known = async () => {
    const [row] = await api.ledger.query<{ ends_at: number; posted: { updated_at: number } }>(
      'select ends_at, posted from posted_alerts',
    );
    return { ends: row?.ends_at ?? 0, heard: row?.posted.updated_at ?? 0 };
  };
  const listed = async () => (await api.call('GET', '/api/v2/alerts', { key: api.keys.operator })).body as object[];
  /** It has posted twice again, and what `what` says has not changed by that. */
  const repeats = async (what: () => Promise<unknown>) => {
    const before = await what();
    for (let more = 0; more < 2; more++) {
      const { heard } = await known();
      await expect.poll(async () => (await known()).heard, HEARD).toBeGreaterThan(heard);
    }
    expect(await what()).toEqual(before);
  };

  it('is heard once when a rule fires and once when it is over, however often it repeats either', async () => {
    isBroken = true;
    await expect.poll(kinds, HEARD).toEqual(['fired']);
    const [event] = await api.ledger.query<{ event: object }>('select event from events');
    expect(event?.event).toMatchObject({
      type: 'CheckoutBroken',
      title: 'Checkout refuses every card',
      severity: 'critical',
      service: 'checkout',
      labels: { job: 'shop' },
    });
    expect(await listed()).toMatchObject([{ labels: { alertname: 'CheckoutBroken' }, status: { state: 'active' } }]);
    const { ends } = await known();
    await repeats(kinds);
    expect((await known()).ends).toBeGreaterThan(ends);

    isBroken = false;
    await expect.poll(kinds, HEARD).toEqual(['fired', 'resolved']);
    expect(await listed()).toEqual([]);
    await repeats(async () => [await kinds(), (await known()).ends]);

    isBroken = true;
    await expect.poll(kinds, HEARD).toEqual(['fired', 'resolved', 'fired']);
    // Whatever Prometheus posted was taken at once: it never sends a thing twice.
    expect(api.logged.filter((line) => /"route":"\/api\/v2\/alerts"/.test(line))).toEqual([]);
  }, 180_000);
});
