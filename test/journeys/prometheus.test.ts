/** The main job on real input: a rule of Prometheus fires, Alertmanager says so, people hear, one answers, and it ends. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type Harness, harness } from '../support/harness.ts';
import { createPrograms, havePrograms } from '../support/programs.ts';

const TOCSIN = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#ops' }
  mail: { type: email, host: 127.0.0.1, port: <SMTP_PORT>, tls: none, from: alerts@example.com, to: [ops@example.com] }
default: { group_by: [service], notify: [chat, mail] }
egress: { allow: ['127.0.0.0/8'] }
`;

const RULES = `
groups:
  - name: demo
    rules:
      - alert: CheckoutBroken
        expr: tocsin_demo_broken == 1
        for: 0s
        labels: { severity: critical, service: checkout }
        annotations: { summary: Checkout refuses every card, description: 'Seen at {{ $labels.instance }}' }
`;

/** A scrape, an evaluation and two flushes, each a second apart on a busy machine. */
const HEARD_MS = 60_000;

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Metrics of a shop that can be broken and mended. */
async function startShop(): Promise<{ address: string; broken: boolean; server: Server }> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(`# TYPE tocsin_demo_broken gauge\ntocsin_demo_broken ${shop.broken ? 1 : 0}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const shop = { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, broken: false, server };
  undo.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return shop;
}

/** Alertmanager with Tocsin as its one receiver, and Prometheus that scrapes the shop each second. */
async function startMonitoring(h: Harness, scraped: string) {
  const { start, file, folder, end } = createPrograms();
  undo.push(end);

  const made = await h.call('POST', '/v1/keys', { name: 'alertmanager', scopes: ['ingest'] });
  expect(made.status).toBe(201);
  const { secret } = made.body as { secret: string };
  const hook = {
    url: `${h.url}/v1/sources/alertmanager`,
    send_resolved: true,
    http_config: { basic_auth: { username: 'alertmanager', password_file: file('key', secret) } },
  };
  const alerts = await start('alertmanager', [
    `--config.file=${file('alertmanager.yml', {
      route: {
        receiver: 'tocsin',
        group_by: ['alertname'],
        group_wait: '0s',
        group_interval: '1s',
        repeat_interval: '1h',
      },
      receivers: [{ name: 'tocsin', webhook_configs: [hook] }],
    })}`,
    `--storage.path=${folder('alertmanager')}`,
    '--web.listen-address=127.0.0.1:0',
    '--cluster.listen-address=',
  ]);
  await start('prometheus', [
    `--config.file=${file('prometheus.yml', {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [file('rules.yml', RULES)],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [alerts] }] }] },
      scrape_configs: [{ job_name: 'shop', static_configs: [{ targets: [scraped] }] }],
    })}`,
    `--storage.tsdb.path=${folder('prometheus')}`,
    '--web.listen-address=127.0.0.1:0',
  ]);
}

it.runIf(havePrograms('prometheus', 'alertmanager'))(
  'a rule of Prometheus that fires is told in Slack and by mail, acknowledged, and told as over when it clears',
  async () => {
    const h = await harness({ config: TOCSIN });
    undo.push(() => h.stop());
    const shop = await startShop();
    await startMonitoring(h, shop.address);

    shop.broken = true;
    const told = await h.slack.expects(/Checkout refuses every card/, HEARD_MS);
    expect(told.all).toContain(shop.address); // the instance, out of Prometheus' own labels
    const mail = await h.mail.expects(/Checkout refuses every card/);
    expect(mail.subject).toMatch(/critical/i);

    const { id, severity } = await h.incidentOf('checkout');
    expect(severity).toBe('critical');
    const answered = await h.ack(id, 'ada');
    expect(answered).toMatchObject({ outcome: 'done', incident: { status: 'acknowledged' } });
    const taken = await h.slack.expects(/Acknowledged by ada/);
    expect(taken.thread_ts).toBe(told.ts);
    await h.mail.expects(/Acknowledged by ada/);

    shop.broken = false;
    const over = await h.slack.expects(/Nothing fires any more/, HEARD_MS);
    expect(over.thread_ts).toBe(told.ts);
    const end = await h.mail.expects(/Nothing fires any more/);
    expect(end.references).toContain(mail.messageId);

    const { alert_count } = await h.closed(id);
    expect(alert_count).toBe(1);
    await h.done();
  },
  3 * HEARD_MS,
);
