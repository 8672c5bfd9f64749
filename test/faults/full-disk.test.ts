/** An embedded Tocsin on a disk that becomes full: it refuses what it cannot keep, and loses nothing of what it has kept. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isRunning } from '../../src/temporal/process.ts';
import { createApiClient } from '../support/api-client.ts';
import { endAll, type StartInput, startTocsin, type TocsinProcess } from '../support/child.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { describeOnSmallDisk, mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

/** A new state folder takes some 90 MB; what is left is for the ballast and for what is sent until it is full. */
const DISK_MB = 256;
const BACK_MS = 90_000;
/** Of nothing that could be compressed: it has to take the space that it seems to take. */
const BODY = randomBytes(24_000).toString('base64');

const dir = mkdtempSync(join(tmpdir(), 'tocsin-full-disk-'));
const start: StartInput = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: 'key-of-the-full-disk' };

describeOnSmallDisk(join(dir, 'try'), 'an embedded Tocsin whose disk is full', { timeout: 3 * BACK_MS }, () => {
  let disk: SmallDisk;
  let receiver: WebhookReceiver;
  let tocsin: TocsinProcess;
  /** What was answered 202: the ids of a service's events. */
  const accepted = new Map<string, string[]>();

  beforeAll(async () => {
    disk = mountSmallDisk(join(dir, 'state'), DISK_MB);
    receiver = await startWebhookReceiver();
    writeFileSync(
      start.configPath,
      `
integrations:
  hook: { type: webhook, url: '${receiver.url}/hook', backoff: 200ms }
default: { group_by: [service], group_wait: 0s, notify: [hook] }
egress: { allow: ['127.0.0.0/8'] }
`,
    );
    tocsin = await startTocsin(start);
  });
  afterAll(async () => {
    disk.free();
    await endAll(tocsin, dir);
    await receiver?.close();
    disk.unmount();
    rmSync(dir, { recursive: true, force: true });
  });

  const api = () => createApiClient(tocsin.url, start.key);
  /** Posts events about one service; their status, or `gone` where the process has ended under them. */
  const post = async (service: string, body = '', count = 1): Promise<number | 'gone'> => {
    const event = { source: 'disk', type: 'full', title: `About ${service}`, severity: 'critical', service, body };
    const events = Array.from({ length: count }, (_, at) => ({ id: `${service}-${at}`, ...event }));
    const reply = await api()
      .call('POST', '/v1/events', events)
      .catch(() => undefined);
    const kept = ((reply?.body ?? {}) as { accepted?: { id: string }[] }).accepted ?? [];
    if (reply?.status === 202)
      accepted.set(
        service,
        kept.map(({ id }) => id),
      );
    return reply?.status ?? 'gone';
  };
  const isTold = (service: string): boolean =>
    receiver.hits.some(
      ({ body }) => (body as { data: { incident: { service: string } } }).data.incident.service === service,
    );

  /** Space for this much is left while events come, until the first that is not accepted; what all were answered. */
  const sendUntilFull = async (
    prefix: string,
    left: { kilobytes: number },
    count?: number,
  ): Promise<(number | 'gone')[]> => {
    const answers: (number | 'gone')[] = [];
    for (let at = 0; answers.at(-1) === 202 || at === 0; at++) {
      disk.fill(left);
      answers.push(await post(`${prefix}-${at}`, BODY, count));
    }
    return answers;
  };
  const allIsKeptAndTold = async (): Promise<void> => {
    for (const [service, ids] of accepted) {
      for (const id of ids) expect((await api().call('GET', `/v1/events/${id}`)).status, id).toBe(200);
      await until(`${service} to be told`, () => isTold(service) || undefined, BACK_MS);
    }
  };

  it('answers 503 to what it cannot keep, and goes on by itself when there is space again', async () => {
    expect(await post('before')).toBe(202);
    await until('the first to be told', () => isTold('before') || undefined, BACK_MS);
    await sendUntilFull('full', { kilobytes: 0 });
    const answers = new Set<number | 'gone'>();
    for (let at = 0; at < 20; at++) answers.add(await post(`refused-${at}`, BODY));
    expect([...answers]).toEqual([503]);
    disk.free();
    await until('it to take events again', async () => (await post('after')) === 202 || undefined, BACK_MS);
    await allIsKeptAndTold();
  });

  it('with no place for the next segment of its log answers 503 too, says why and ends, and starts again whole', async () => {
    // Rows find their place, the 16 MB of a new segment do not. Half a megabyte at a time: each answer has another incident told.
    const answers = await sendUntilFull('segment', { kilobytes: 6_000 }, 16);
    expect(answers.at(-1)).toBe(503);
    await until('it to end', () => !isRunning(tocsin.pid) || undefined, BACK_MS);
    expect(tocsin.output()).toMatch(/Tocsin cannot go on: .*is its disk full\?/);
    disk.free();
    tocsin = await startTocsin(start);
    expect(await post('started-again')).toBe(202);
    await allIsKeptAndTold();
  });
});
