/** Temporal behind TLS, set up by the environment and by Temporal's own file alone: certificates, names, client certificates, keys. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createCarrier } from '../../src/temporal/carrier.ts';
import { connect, type TemporalLink } from '../../src/temporal/connect.ts';
import { type Authority, type Certificate, createAuthority } from '../support/authority.ts';
import { startTlsFront, type TlsFront } from '../support/tls-front.ts';

/** What the server's certificate is for, besides its address. */
const SERVER = 'temporal.test';
/** No attempt waits for a deadline to say that it failed: the SDK's own is 10 s. */
const SOON_MS = 5_000;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-tls-'));
const secret = `key-${randomBytes(16).toString('hex')}`;
let ours: Authority;
let others: Authority;
let open: TlsFront;
let mutual: TlsFront;
let client: Certificate;

beforeAll(async () => {
  ours = await createAuthority('Tests');
  others = await createAuthority('Others');
  client = await ours.issue('worker-of-tests');
  const certificate = await ours.issue('server', {
    names: [
      { type: 'dns', value: SERVER },
      { type: 'ip', value: '127.0.0.1' },
    ],
  });
  const { address: to } = inject('temporal');
  open = await startTlsFront({ to, certificate });
  mutual = await startTlsFront({ to, certificate, clients: ours });
});
afterAll(async () => {
  await Promise.all([open?.close(), mutual?.close()]);
  ours?.remove();
  others?.remove();
  rmSync(dir, { recursive: true, force: true });
});

const at = (front: TlsFront): string => `127.0.0.1:${front.port}`;
const trusting = (front: TlsFront): Record<string, string> => ({
  TEMPORAL_ADDRESS: at(front),
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: ours.ca.certFile,
});
/** Connects, does what is asked with it, and returns the calls that arrived meanwhile. */
async function calls(front: TlsFront, env: Record<string, string>, work: (link: TemporalLink) => Promise<unknown>) {
  const before = front.calls.length;
  const link = await connect({ env });
  await work(link).finally(() => link.close());
  return front.calls.slice(before);
}
const lookWithBoth = async ({ client, native, namespace }: TemporalLink): Promise<void> => {
  await client.workflow.count();
  await native.workflowService.describeNamespace({ namespace });
};
/** The words of the failure, which must come before any deadline. */
async function refusal(env: Record<string, string>): Promise<string> {
  const since = performance.now();
  const link = await connect({ env }).catch((error: unknown) => error as Error);
  if (!(link instanceof Error)) {
    await link.close();
    throw new Error('it was let in');
  }
  expect(performance.now() - since).toBeLessThan(SOON_MS);
  return link.message;
}

describe('a Temporal server behind TLS', () => {
  it('is used by client and worker alike where its authority is trusted: a workflow is started and seen', async () => {
    const taskQueue = `tls-${randomBytes(4).toString('hex')}`;
    const seen = await calls(open, trusting(open), async (link) => {
      await createCarrier(link, taskQueue).send({ id: 1, kind: 'test', target: 'hook', payload: null });
      const handle = link.client.workflow.getHandle(`${taskQueue}-send-1`);
      expect((await handle.describe()).status.name).toBe('RUNNING');
      await link.native.workflowService.describeTaskQueue({
        namespace: link.namespace,
        taskQueue: { name: taskQueue },
      });
      await handle.terminate();
    });
    const methods = seen.map(({ path }) => path.split('/').at(-1));
    expect(methods).toEqual(expect.arrayContaining(['StartWorkflowExecution', 'DescribeTaskQueue']));
    expect(seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it('of an authority that is not trusted is refused at once, by address and reason', async () => {
    const words = await refusal({ ...trusting(open), TEMPORAL_TLS_SERVER_CA_CERT_PATH: others.ca.certFile });
    expect(words).toContain(`Temporal at ${at(open)} (namespace default) cannot be reached`);
    expect(words).toContain('its certificate is not from an authority we trust (TEMPORAL_TLS_SERVER_CA_CERT_PATH)');
  });

  it('is asked for by the name that is set, and refused where its certificate is for another', async () => {
    const seen = await calls(open, { ...trusting(open), TEMPORAL_TLS_SERVER_NAME: SERVER }, lookWithBoth);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every(({ servername }) => servername === SERVER)).toBe(true);
    const words = await refusal({ ...trusting(open), TEMPORAL_TLS_SERVER_NAME: 'other.test' });
    expect(words).toContain(at(open));
    expect(words).toContain('its certificate is for another name (TEMPORAL_TLS_SERVER_NAME)');
  });

  it('that does not speak TLS after all is named as such', async () => {
    const { address } = inject('temporal');
    const words = await refusal({ TEMPORAL_ADDRESS: address, TEMPORAL_TLS_SERVER_CA_CERT_PATH: ours.ca.certFile });
    expect(words).toContain(`Temporal at ${address}`);
    expect(words).toContain('it does not speak TLS');
  });

  it('whose authority cannot be read is a mistake in the settings, and the file is named', async () => {
    const missing = join(dir, 'missing.pem');
    const words = await refusal({ ...trusting(open), TEMPORAL_TLS_SERVER_CA_CERT_PATH: missing });
    expect(words).toMatch(/^the Temporal settings in the environment are not valid/);
    expect(words).toContain(missing);
  });
});

describe('a Temporal server that asks for a client certificate', () => {
  it('lets in who shows one of its authority, as client and as worker', async () => {
    const shown = { TEMPORAL_TLS_CLIENT_CERT_PATH: client.certFile, TEMPORAL_TLS_CLIENT_KEY_PATH: client.keyFile };
    const seen = await calls(mutual, { ...trusting(mutual), ...shown }, lookWithBoth);
    const methods = seen.map(({ path }) => path.split('/').at(-1));
    expect(methods).toEqual(expect.arrayContaining(['CountWorkflowExecutions', 'DescribeNamespace']));
    expect(seen.every(({ client }) => client === 'worker-of-tests')).toBe(true);
  });

  it('refuses who shows none, and the error says what is missing', async () => {
    const words = await refusal(trusting(mutual));
    expect(words).toContain(at(mutual));
    expect(words).toContain('it asks for a client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH');
  });

  it('refuses who shows one of another authority', async () => {
    const stranger = await others.issue('stranger');
    const shown = { TEMPORAL_TLS_CLIENT_CERT_PATH: stranger.certFile, TEMPORAL_TLS_CLIENT_KEY_PATH: stranger.keyFile };
    const before = mutual.calls.length;
    expect(await refusal({ ...trusting(mutual), ...shown })).toContain(at(mutual));
    expect(mutual.calls).toHaveLength(before);
  });
});

describe('an API key for Temporal', () => {
  const bearer = `Bearer ${secret}`;

  it('comes with every call of client and worker', async () => {
    const seen = await calls(open, { ...trusting(open), TEMPORAL_API_KEY: secret }, lookWithBoth);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(seen.map(() => bearer));
  });

  it('switches TLS on by itself, and is never sent to a server that is not trusted', async () => {
    const before = open.calls.length;
    const words = await refusal({ TEMPORAL_ADDRESS: at(open), TEMPORAL_API_KEY: secret });
    expect(words).toContain('its certificate is not from an authority we trust');
    expect(words).not.toContain(secret);
    expect(open.calls).toHaveLength(before);
    const plain = await refusal({ TEMPORAL_ADDRESS: inject('temporal').address, TEMPORAL_API_KEY: secret });
    expect(plain).toContain('it does not speak TLS');
    expect(plain).not.toContain(secret);
  });

  it('may come from the file of TEMPORAL_API_KEY_FILE, without the newline at its end', async () => {
    const file = join(dir, 'api-key');
    writeFileSync(file, `${secret}\n`, { mode: 0o600 });
    const seen = await calls(open, { ...trusting(open), TEMPORAL_API_KEY_FILE: file }, lookWithBoth);
    expect(new Set(seen.map(({ headers }) => headers.authorization))).toEqual(new Set([bearer]));
    const both = { TEMPORAL_API_KEY: secret, TEMPORAL_API_KEY_FILE: file };
    const words = await refusal({ ...trusting(open), ...both });
    expect(words).toContain('both TEMPORAL_API_KEY and TEMPORAL_API_KEY_FILE are set');
    expect(words).not.toContain(secret);
  });

  it.each(['\n', '\0', 'ü', ' '])('that no header can carry (%j in it) is refused without being shown', async (odd) => {
    const words = await refusal({ ...trusting(open), TEMPORAL_API_KEY: `${secret}${odd}${secret}` });
    expect(words).toBe(`the API key for Temporal at ${at(open)} holds characters that no header can carry`);
  });
});

describe("Temporal's own configuration file", () => {
  const file = join(dir, 'temporal.toml');
  const write = (): void =>
    writeFileSync(
      file,
      `
[profile.default]
address = "127.0.0.1:1"

[profile.tests]
address = "${at(open)}"
namespace = "default"
api_key = "${secret}"
[profile.tests.tls]
server_ca_cert_path = "${ours.ca.certFile}"
server_name = "${SERVER}"
[profile.tests.grpc_meta]
team = "platform"
`,
    );

  it('gives a profile: address, authority, name, key and headers', async () => {
    write();
    const seen = await calls(open, { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'tests' }, lookWithBoth);
    expect(seen.length).toBeGreaterThan(2);
    for (const { headers, servername } of seen)
      expect({ key: headers.authorization, team: headers.team, servername }).toEqual({
        key: `Bearer ${secret}`,
        team: 'platform',
        servername: SERVER,
      });
  });

  it('is overruled by the environment, and its default profile is what is used without a name', async () => {
    write();
    expect(await refusal({ TEMPORAL_CONFIG_FILE: file })).toContain(
      '127.0.0.1:1 (namespace default) cannot be reached',
    );
    const env = { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'tests', TEMPORAL_TLS_SERVER_NAME: 'other.test' };
    const words = await refusal(env);
    expect(words).toContain('its certificate is for another name');
    expect(words).not.toContain(secret);
  });

  it('without the profile that is asked for says so', async () => {
    write();
    const words = await refusal({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'nobody' });
    expect(words).toMatch(/the Temporal settings in the environment are not valid.*nobody/s);
    expect(words).not.toContain(secret);
  });

  it('that cannot be read as TOML is refused without being quoted', async () => {
    writeFileSync(file, `[profile.tests]\napi_key = "${secret}\n`);
    const words = await refusal({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'tests' });
    expect(words).toMatch(/the Temporal settings in the environment are not valid: .*line 2/);
    expect(words).not.toContain(secret);
  });
});
