/** An embedded Tocsin whose Temporal has no space left on its disk, while the ledger has: what comes is kept, and told when there is space again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isRunning } from '../../src/temporal/process.ts';
import { createApiClient } from '../support/api-client.ts';
import { endAll, type StartInput, startTocsin, type TocsinProcess, temporalPidIn } from '../support/child.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/fakes/webhook-receiver.ts';
import { layLedger } from '../support/image.ts';
import { describeOnSmallDisk, mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

/** A new database of Temporal takes some 5 MB, with its log of changes. */
const DISK_MB = 48;
const BACK_MS = 60_000;
/** A start of Temporal, and the wait before it. */
const OWN_MS = 20_000;
/** What is sent meanwhile is all to be told at the end. */
const BETWEEN_MS = 250;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-full-temporal-'));
const start: StartInput = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: 'key-of-the-full-temporal' };

describeOnSmallDisk(
  join(dir, 'try'),
  'an embedded Tocsin whose Temporal has a full disk',
  { timeout: 3 * BACK_MS },
  () => {
    let disk: SmallDisk;
    let receiver: WebhookReceiver;
    let tocsin: TocsinProcess;

    beforeAll(async () => {
      const [state, ledger] = [join(dir, 'state'), join(dir, 'ledger')];
      disk = mountSmallDisk(state, DISK_MB);
      layLedger(ledger);
      disk.lend(ledger, 'ledger');
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
      disk?.free();
      await endAll(tocsin, dir);
      await receiver?.close();
      disk?.unmount();
      rmSync(dir, { recursive: true, force: true });
    });

    const api = () => createApiClient(tocsin.url, start.key);
    const post = async (service: string): Promise<number> => {
      const event = { source: 'disk', type: 'full', title: `About ${service}`, severity: 'critical', service };
      return (await api().call('POST', '/v1/events', event)).status;
    };
    const isTold = (service: string): boolean =>
      receiver.hits.some(
        ({ body }) => (body as { data: { incident: { service: string } } }).data.incident.service === service,
      );
    const told = (service: string) => until(`${service} to be told`, () => isTold(service) || undefined, BACK_MS);

    it('keeps what comes, says what it cannot do, and tells it by itself when there is space again', async () => {
      expect(await post('before')).toBe(202);
      await told('before');
      const sent: string[] = [];
      const says = (words: RegExp) =>
        until(
          `it to say ${words}`,
          async () => {
            if (words.test(tocsin.output())) return true;
            disk.fill();
            sent.push(`meanwhile-${sent.length}`);
            expect(await post(sent.at(-1) ?? '')).toBe(202);
            await pause(BETWEEN_MS);
            return undefined;
          },
          BACK_MS,
        );
      await says(/Temporal did not take it/);
      // It cannot even write down which process it is.
      process.kill(temporalPidIn(dir), 'SIGKILL');
      await says(/ENOSPC.*Temporal could not be started again/);
      expect((await api().call('GET', '/readyz')).status, 'events are taken').toBe(200);
      const metrics = (await api().call('GET', '/metrics')).text;
      expect(metrics, 'what waits is counted').toMatch(/^tocsin_inbox_waiting [1-9]/m);
      expect(sent.filter(isTold)).not.toEqual(sent);

      disk.free();
      for (const service of sent) await told(service);
      expect(await post('after')).toBe(202);
      await told('after');
      expect(isRunning(tocsin.pid), 'it has never ended').toBe(true);
      await until(
        'the Temporal that it has to be the one it knows',
        () => isRunning(temporalPidIn(dir)) || undefined,
        OWN_MS,
      );
    });
  },
);
