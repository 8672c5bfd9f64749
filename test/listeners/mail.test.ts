/** Mail in, as mail servers meet it: real SMTP on ports of the system's choice, over a door on a ledger in memory. */
import { readFileSync } from 'node:fs';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { startListeners } from '../../src/listeners/index.ts';
import type { ListenerDeps } from '../../src/listeners/listener.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createAuthority } from '../support/authority.ts';
import { openTestLedger, routing } from '../support/ledger.ts';

const SOURCES = `
  nagios: { type: mail, port: 0, address: nagios, allow_from: [example.com, me@other.example] }
  zabbix: { type: mail, port: 0, address: zabbix@alerts.example.com }
  closed: { type: mail, port: 0, address: closed, username: relay, password: a-long-password }
`;

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
afterAll(() => ledger.close());

const keeping = (): ListenerDeps['keep'] => {
  const door = createDoor(ledger, { routing: routing() });
  return async (events) => {
    const answers = await door.accept(events);
    const those = (duplicate: boolean) => answers.filter((one) => one.duplicate === duplicate);
    return { accepted: those(false), duplicates: those(true) };
  };
};

const started: { stop(): Promise<void> }[] = [];
async function listening(sources = SOURCES, keep = keeping()): Promise<number> {
  const lines: string[] = [];
  const running = await startListeners({
    config: fromText(`sources:${sources}`, 'the tests', {}, REGISTRY),
    ledger,
    log: createLog({ level: 'debug', secrets: [], destination: { write: (line) => void lines.push(line) } }),
    metrics: createMetrics({ reasons: [], channels: [], failures: [] }),
    now: () => new Date(),
    keep,
  });
  started.push(running);
  const [place, ...more] = new Set(running.all.map(({ where }) => where));
  expect(more).toEqual([]);
  return Number(URL.parse(place ?? '')?.port);
}

let port: number;
beforeEach(async () => {
  await empty();
  port = await listening();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()));
});

type Auth = { user: string; pass: string };
const TO_NAGIOS = { from: 'monitor@example.com', to: 'nagios@any.example', text: 'the disk is full' };
/** Sends a letter; the server's answer, or its refusal. */
async function send(letter: SendMailOptions, { at = port, auth }: { at?: number; auth?: Auth } = {}): Promise<string> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: at,
    secure: false,
    ignoreTLS: true,
    ...(auth ? { auth } : {}),
  });
  try {
    return (await transport.sendMail({ ...TO_NAGIOS, ...letter })).response;
  } catch (error) {
    return (error as { response?: string }).response ?? String(error);
  } finally {
    transport.close();
  }
}
const raw = (...lines: string[]) =>
  send({ envelope: { from: 'monitor@example.com', to: 'nagios@any.example' }, raw: lines.join('\r\n') });
const events = async () =>
  (await ledger.query<{ event: Record<string, unknown> }>('select event from events order by seq')).map(
    ({ event }) => event,
  );

describe('mail in', () => {
  it('is an event of the source that its address names, kept when it is answered, and once however often it comes', async () => {
    const letter = { subject: '[CRITICAL] Disk on db1', messageId: '<m1@example.com>' };
    expect(await send(letter)).toMatch(/^250 .*kept as <m1@example\.com>/);
    expect(await events()).toMatchObject([
      {
        id: '<m1@example.com>',
        source: 'nagios',
        severity: 'critical',
        title: '[CRITICAL] Disk on db1',
        body: 'the disk is full',
        labels: { from: 'monitor@example.com' },
      },
    ]);
    expect(await send(letter)).toMatch(/^250 /);
    expect(await events()).toHaveLength(1);
    expect(await send({ subject: 'x', to: 'ZABBIX@alerts.example.com, nagios@any.example' })).toMatch(/^250 /);
    expect((await events()).map(({ source }) => source)).toEqual(['nagios', 'zabbix', 'nagios']);
  });

  it.each([
    {
      monitor: 'alertmanager',
      letters: ['alertmanager-firing', 'alertmanager-resolved'],
      key: 'diskalmostfull db-1 9100 shop',
      fires: {
        title: '[FIRING:1] DiskAlmostFull (db-1:9100 shop critical)',
        body: expect.stringMatching(/^1 alert for\nalertname=DiskAlmostFull\n[\s\S]*\nseverity = critical\n/),
        severity: 'critical',
        occurred_at: '2026-11-21T22:59:16.000Z',
      },
      ends: { title: '[RESOLVED] DiskAlmostFull (db-1:9100 shop critical)' },
    },
    {
      monitor: 'monit',
      letters: ['monit-failed', 'monit-succeeded'],
      key: 'monit connection web',
      fires: {
        title: 'monit alert --  Connection failed web',
        body: expect.stringMatching(/Description: failed protocol test \[DEFAULT\][\s\S]*-- Connection refused\n/),
        severity: 'warning',
        occurred_at: '2026-11-21T23:02:09.000Z',
      },
      ends: { title: 'monit alert --  Connection succeeded web' },
    },
  ])('that $monitor has sent is an alert, and what it sends when that is over ends it', async (sent) => {
    const { monitor, letters, key, fires, ends } = sent;
    for (const name of letters) {
      const letter = readFileSync(new URL(`../samples/mail/${name}.eml`, import.meta.url), 'utf8');
      expect(await raw(...letter.split('\r\n'))).toMatch(/^250 /);
    }
    const from = `${monitor}@example.com`;
    expect(await events()).toMatchObject([
      { ...fires, source: 'nagios', status: 'firing', dedup_key: key, labels: { from } },
      { ...ends, source: 'nagios', status: 'resolved', dedup_key: key, labels: { from } },
    ]);
  });

  it('is refused where no source has the address, or its sender may not write there', async () => {
    expect(await send({ to: 'nobody@example.com' })).toMatch(/^550 .*no source has this address/);
    expect(await send({ to: 'zabbix@elsewhere.example.com' })).toMatch(/^550 /);
    expect(await send({ from: 'a@evil.example' })).toMatch(/^550 .*sender may not write/);
    expect(await send({ from: 'a@notexample.com' })).toMatch(/^550 /);
    for (const from of ['a@sub.example.com', 'me@other.example']) expect(await send({ from })).toMatch(/^250 /);
    expect(await events()).toHaveLength(2);
  });

  it('asks for a password where there is one', async () => {
    expect(await send({ to: 'closed@any.example' })).toMatch(/^530 /);
    expect(await send({ to: 'closed@any.example' }, { auth: { user: 'relay', pass: 'wrong-password' } })).toMatch(
      /^535 /,
    );
    expect(await send({ to: 'closed@any.example' }, { auth: { user: 'relay', pass: 'a-long-password' } })).toMatch(
      /^250 /,
    );
    expect(await events()).toMatchObject([{ source: 'closed' }]);
    const wrong = { auth: { user: 'relay', pass: 'wrong-password' } };
    for (let tries = 0; tries < 9; tries++) expect(await send({ to: 'closed@any.example' }, wrong)).toMatch(/^535 /);
    expect(await send({ to: 'closed@any.example' }, wrong)).toMatch(/^421 .*too many attempts/);
  });

  it('comes over TLS where there is a certificate, and a password not without it', async () => {
    const authority = await createAuthority('mail tests');
    try {
      const { certFile, keyFile } = await authority.issue('localhost', {
        names: [{ type: 'dns', value: 'localhost' }],
      });
      const tls = await listening(
        `\n  a: { type: mail, port: 0, address: a, username: relay, password: a-long-password, tls_cert: ${certFile}, tls_key: ${keyFile} }\n`,
      );
      const at = { host: '127.0.0.1', port: tls, tls: { ca: authority.ca.cert, servername: 'localhost' } };
      const auth = { user: 'relay', pass: 'a-long-password' };
      const letter = { ...TO_NAGIOS, to: 'a@any.example', subject: 'over TLS' };
      const sent = await createTransport({ ...at, requireTLS: true, auth }).sendMail(letter);
      expect(sent.response).toMatch(/^250 /);
      await expect(createTransport({ ...at, ignoreTLS: true, auth }).sendMail(letter)).rejects.toThrow(
        /538|STARTTLS|530/i,
      );
      expect(await events()).toMatchObject([{ source: 'a', title: 'over TLS' }]);
    } finally {
      authority.remove();
    }
  });

  it('ends what another letter began, by its subject or as an answer in the thread', async () => {
    await send({ subject: '[CRITICAL] Disk on db1', messageId: '<t1@example.com>' });
    await send({
      subject: 'RESOLVED: everything is fine',
      inReplyTo: '<t1@example.com>',
      references: '<t0@x> <t1@example.com>',
    });
    await send({ subject: '[OK] Disk on db1' });
    expect((await events()).map(({ dedup_key, status }) => [dedup_key, status])).toEqual([
      ['disk on db1', 'firing'],
      ['disk on db1', 'resolved'],
      ['disk on db1', 'resolved'],
    ]);
  });

  it('stays in its sender’s queue while the ledger is away', async () => {
    const away = await listening(SOURCES, () => Promise.reject(new Error('connection refused')));
    expect(await send({ messageId: '<q@example.com>' }, { at: away })).toMatch(/^451 .*send it again/);
    expect(await events()).toEqual([]);
    expect(await send({ messageId: '<q@example.com>' })).toMatch(/^250 /);
  });

  it('is refused when it is too large, before it is sent or after', async () => {
    expect(await send({ text: 'x\n'.repeat(600_000) })).toMatch(/^552 /);
    expect(await events()).toEqual([]);
  });

  it('is put off where too much of it comes', async () => {
    const answers: string[] = [];
    const transport = createTransport({
      host: '127.0.0.1',
      port,
      ignoreTLS: true,
      pool: true,
      maxConnections: 5,
      maxMessages: 1_000,
    });
    await Promise.all(
      Array.from({ length: 260 }, (_, at) =>
        transport.sendMail({ ...TO_NAGIOS, subject: `storm ${at}` }).then(
          ({ response }) => answers.push(response),
          (error: { response?: string }) => answers.push(error.response ?? ''),
        ),
      ),
    );
    transport.close();
    const put = answers.filter((one) => /^450 .*again later/.test(one)).length;
    expect([put > 0, (await events()).length]).toEqual([true, 260 - put]);
  });

  it('is no event where it is our own, an automatic answer, or a report of delivery', async () => {
    expect(await send({ headers: { 'X-Tocsin-Incident': 'INC-1' } })).toMatch(/^554 .*Tocsin itself/);
    expect(await send({ headers: { 'Auto-Submitted': 'auto-replied (vacation)' } })).toMatch(/^554 .*automatic answer/);
    expect(await send({ headers: { Precedence: 'auto_reply' } })).toMatch(/^554 /);
    expect(await send({ envelope: { from: '', to: 'nagios@any.example' } })).toMatch(/^550 .*reports of delivery/);
    expect(await send({ headers: { 'Auto-Submitted': 'auto-generated', Precedence: 'bulk' } })).toMatch(/^250 /);
    expect(await events()).toHaveLength(1);
  });

  it('is read where it is HTML alone, and names what is attached', async () => {
    const html = `<html><head><title>t</title><style>p { color: red }</style></head><header>Top</header><!-- hidden > --><p>The disk &amp; the <b>log</b> are full&#33;</p><script>alert(1)</script><p>Now<br>or never</p>`;
    await send({ text: undefined, html, attachments: [{ filename: 'df.txt', content: 'abc' }] });
    expect(await events()).toMatchObject([
      {
        body: expect.stringMatching(/^Top ?The disk & the log are full!\n+ ?Now\nor never$/),
        context: { attachments: [{ name: 'df.txt', type: 'text/plain', bytes: 3 }] },
      },
    ]);
    expect(JSON.stringify(await events())).not.toMatch(/alert\(1\)|color|hidden/);
  });
});

describe('hostile mail', () => {
  const deep = (levels: number): string[] => [
    ...Array.from({ length: levels }, (_, at) => [
      `Content-Type: multipart/mixed; boundary=b${at}`,
      '',
      `--b${at}`,
    ]).flat(),
    'Content-Type: text/plain',
    '',
    'deep',
  ];

  it.each([
    ['parts within parts', () => raw('Subject: deep', ...deep(200)), /^554 .*cannot be read/],
    [
      'headers without end',
      () => raw(...Array.from({ length: 2_000 }, (_, at) => `X-${at}: ${'y'.repeat(200)}`), '', 'x'),
      /^554 .*cannot be read/,
    ],
    [
      'a charset that there is not',
      () => raw('Subject: =?nonsense?B?/w==?=', 'Content-Type: text/plain; charset=nonsense', '', 'caf\u00e9'),
      /^250 /,
    ],
    [
      'base64 that is none, and NULs',
      () => raw('Subject: a\0b', 'Content-Type: text/plain', 'Content-Transfer-Encoding: base64', '', '!!!\0==='),
      /^250 /,
    ],
    ['nothing at all', () => raw('', ''), /^250 /],
    [
      'a Message-ID that forges a line',
      () => raw('Message-ID: <a\tb>', `References: ${'<x@y> '.repeat(3_000)}`, '', 'x'),
      /^250 /,
    ],
    [
      'tags without end',
      () =>
        raw('Content-Type: text/html', '', `${'<script'.repeat(20_000)}${'<'.repeat(200_000)}${'&'.repeat(100_000)}`),
      /^250 /,
    ],
  ])('does no harm: %s', async (_, act, expected) => {
    expect(await act()).toMatch(expected);
    expect(JSON.stringify(await events())).not.toContain('\\u0000');
    expect(await send({ subject: 'the next one' })).toMatch(/^250 /);
  });
});

describe('a listener for mail', () => {
  it.each([
    [
      'two sources of one address',
      'a: { type: mail, port: 0, address: x }\n  b: { type: mail, port: 0, address: x }',
      'the sources a and b have one address, x',
    ],
    [
      'half of a certificate',
      'a: { type: mail, port: 0, address: x, tls_cert: x.pem }',
      'tls_cert and tls_key are needed together',
    ],
    [
      'a certificate that is not there',
      'a: { type: mail, port: 0, address: x, tls_cert: x.pem, tls_key: y.pem }',
      'the source a cannot listen for mail: ENOENT',
    ],
    [
      'a password in clear for the world',
      'a: { type: mail, port: 0, host: 0.0.0.0, address: x, username: u, password: a-long-password }',
      'would be sent in clear',
    ],
  ])('does not begin with %s', async (_, sources, problem) => {
    await expect(listening(`\n  ${sources}\n`)).rejects.toThrow(problem);
  });

  it('does not begin where the port is taken, and says so', async () => {
    await expect(listening(`\n  a: { type: mail, port: ${port}, address: x }\n`)).rejects.toThrow('EADDRINUSE');
  });
});
