/** TLS on the way out: only certificates that are trusted, in force and of the right name; nothing is ever said without. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, type SecureContextOptions, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { email } from '../../src/channels/email.ts';
import { webhook } from '../../src/channels/webhook.ts';
import { createEgress, type Egress } from '../../src/egress/guard.ts';
import { type Authority, type Certificate, createAuthority } from '../support/authority.ts';
import { callOf } from '../support/calls.ts';
import { startFakeSmtp } from '../support/fakes/smtp.ts';

const SERVERS = [
  { type: 'dns', value: 'vendor.test' },
  { type: 'dns', value: 'mail.test' },
] as const;
let authority: Authority;
const identities: Record<string, Certificate> = {};
const identity = (name: string) => ({ key: identities[name]?.key ?? '', cert: identities[name]?.cert ?? '' });

const BAD = [
  ['that nobody has signed', 'self-signed'],
  ['that has expired', 'expired'],
  ['of another name', 'elsewhere'],
] as const;

const before = getCACertificates('default');
let egress: Egress;
beforeAll(async () => {
  authority = await createAuthority('Authority of the tests');
  const names = [...SERVERS];
  identities.trusted = await authority.issue('trusted', { names });
  identities['self-signed'] = await authority.issue('self-signed', { names, selfSigned: true });
  identities.expired = await authority.issue('expired', { names, expired: true });
  identities.elsewhere = await authority.issue('elsewhere', { names: [{ type: 'dns', value: 'elsewhere.test' }] });
  setDefaultCACertificates([...before, authority.ca.cert]);
  egress = createEgress({ allow: ['127.0.0.0/8'], resolveHost: async () => ['127.0.0.1'] });
});
afterAll(async () => {
  setDefaultCACertificates(before);
  authority?.remove();
  await egress.close();
});

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

describe('a webhook', () => {
  const hook = webhook as unknown as Channel;
  const send = (port: number, signal = AbortSignal.timeout(10_000)) =>
    hook.send(callOf(hook, { url: `https://vendor.test:${port}/hook` }, { fetch: egress.fetch, signal }));

  /** A server with these settings, which remembers what it was told, and what arrived without TLS. */
  async function start(settings: SecureContextOptions): Promise<{ port: number; told: string[]; plain: string[] }> {
    const told: string[] = [];
    const plain: string[] = [];
    const server: Server = createServer(settings, (request, response) => {
      told.push(`${request.method} ${request.url}`);
      response.end();
    });
    server.on('tlsClientError', (_error, socket) => void socket.destroy());
    server.on('connection', (socket) => socket.once('data', (bytes) => bytes[0] !== 0x16 && plain.push(String(bytes))));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(() => new Promise((resolve) => server.close(resolve)));
    return { port: (server.address() as AddressInfo).port, told, plain };
  }

  it('is told over a certificate of its name that is trusted and in force', async () => {
    const server = await start(identity('trusted'));
    expect(await send(server.port)).toEqual({ kind: 'delivered' });
    expect(server.told).toEqual(['POST /hook']);
  });

  it.each(BAD)('with a certificate %s is told nothing, with TLS or without', async (_words, name) => {
    const server = await start(identity(name));
    const outcome = await send(server.port);
    expect(outcome).toMatchObject({ kind: 'retry', reason: 'network' });
    expect(server.told).toEqual([]);
    expect(server.plain).toEqual([]);
  });

  it('that speaks only what came before TLS 1.2 is told nothing', async () => {
    const old = { ...identity('trusted'), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' };
    const server = await start(old as SecureContextOptions);
    expect(await send(server.port)).toMatchObject({ kind: 'retry', reason: 'network' });
    expect(server.told).toEqual([]);
  });

  it('that never finishes the handshake is left at the deadline', async () => {
    const { createServer: createSilent } = await import('node:net');
    const silent = createSilent((socket) => void socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    expect(await send(port, AbortSignal.timeout(100))).toMatchObject({ kind: 'retry', reason: 'timeout' });
    silent.close();
  });
});

describe('a mail server', () => {
  const mail = email as unknown as Channel;
  const account = { user: 'alerts', pass: 'pass-not-a-real-one' };
  const send = (port: number, more: object = {}) =>
    mail.send(
      callOf(
        mail,
        { host: 'mail.test', port, from: 'alerts@example.com', to: ['ops@example.com'], ...account, ...more },
        { resolve: egress.resolve },
      ),
    );
  const start = async (name: string) => {
    const fake = await startFakeSmtp({ auth: account, starttls: identity(name) });
    open.push(fake.close);
    return fake;
  };

  it('is told after STARTTLS over a certificate of its name that is trusted and in force', async () => {
    const fake = await start('trusted');
    expect(await send(fake.port)).toMatchObject({ kind: 'delivered' });
    expect(fake.mails).toEqual([expect.objectContaining({ secure: true, user: 'alerts' })]);
  });

  it.each(BAD)('with a certificate %s gets neither the password nor a mail', async (_words, name) => {
    const fake = await start(name);
    expect(await send(fake.port)).toMatchObject({
      kind: 'rejected',
      reason: 'config',
      detail: expect.stringContaining('TLS'),
    });
    expect([fake.mails, fake.logins]).toEqual([[], []]);
  });

  it('that offers no STARTTLS gets neither: a line in between that hides the offer gains nothing', async () => {
    const fake = await startFakeSmtp({ auth: account });
    open.push(fake.close);
    expect(await send(fake.port)).toMatchObject({ kind: 'rejected', reason: 'config' });
    expect([fake.mails, fake.logins]).toEqual([[], []]);
  });
});
