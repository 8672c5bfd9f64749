/** A release whose workflows cannot replay what is running: the incidents wait for the next one, and nothing of them is lost. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, harness } from '../support/harness.ts';
import { countOf } from '../support/histories.ts';
import { until } from '../support/until.ts';

/** A workflow task that failed is tried again after a wait that grows with every failure. */
const AGAIN_MS = 60_000;

const CONFIG = `
integrations:
  hook: { type: webhook, url: '<HOOK>/hook', secret: '<HOOK_SECRET>' }
  next: { type: webhook, url: '<HOOK>/next', secret: '<HOOK_SECRET>' }
escalations:
  on-call: { levels: [ { notify: [hook], wait: 3s }, { notify: [next], wait: 1h } ] }
default: { group_by: [service], notify: [], escalate: on-call }
egress: { allow: ['127.0.0.0/8'] }
`;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-poison-'));
const poison = join(dir, 'workflows.cjs');
let h: Harness;

beforeAll(async () => {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./poison-workflows.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  writeFileSync(poison, code);
  h = await harness({ config: CONFIG });
});
afterAll(async () => {
  await h?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const told = (target: string, reason: string, service: string) =>
  h.hook.expects(new RegExp(`^/${target} .*"type":"incident.${reason}".*"service":"${service}"`), AGAIN_MS);

describe('a release that cannot replay what is running', () => {
  it(
    'harms nothing: open incidents stay open, what comes is kept, and the release after it goes on with all of it',
    async () => {
      for (const service of ['answered', 'climbing']) {
        await h.post({ title: `Open: ${service}`, severity: 'critical', service, dedup_key: service });
        await told('hook', 'group_now', service);
      }
      const { id } = await h.incidentOf('answered');
      const climbing = await h.incidentOf('climbing');

      await h.redeploy(poison);
      expect((await h.ack(id, 'ada')).outcome).toBe('done');
      for (const one of [id, climbing.id]) {
        const handle = h.temporal.workflow.getHandle(one);
        await until(
          `a workflow task of ${one} to fail`,
          async () => countOf(await handle.fetchHistory(), 'EVENT_TYPE_WORKFLOW_TASK_FAILED') > 0 || undefined,
          AGAIN_MS,
        );
        expect((await handle.describe()).status.name).toBe('RUNNING');
        expect((await h.incident(one)).closed_at).toBeUndefined();
      }
      // What the mistaken release begins itself, only it can go on with.
      await h.post({ title: 'Open: new', severity: 'critical', service: 'new' });
      await told('hook', 'group_now', 'new');

      await h.redeploy();
      await told('hook', 'acknowledged', 'answered');
      await told('next', 'escalated', 'climbing');
      for (const service of ['answered', 'climbing']) {
        const { id } = await h.incidentOf(service);
        await h.resolve(id, 'ada');
        await told('hook', 'resolved', service);
        await h.closed(id);
      }
      // Once its run is terminated, the ledger brings it back under the release that is there.
      const begunByMistake = await h.incidentOf('new');
      await h.temporal.workflow.getHandle(begunByMistake.id).terminate('begun by a mistaken release');
      await h.resolve(begunByMistake.id, 'ada');
      await told('hook', 'resolved', 'new');
      await h.closed(begunByMistake.id);
      expect(h.fakes.hook.hits.filter(({ repeated }) => repeated)).toEqual([]);
      const paged = h.fakes.hook.hits.filter(({ path, raw }) => path === '/next' && raw.includes('"answered"'));
      expect(paged).toEqual([]);
    },
    4 * AGAIN_MS,
  );
});
