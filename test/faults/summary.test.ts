/** The page of a day under fire: whoever dies at whichever of its steps, it is one page, and it is told. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SUMMARY_STEPS } from '../../src/ledger/steps.ts';
import { isRunning } from '../../src/temporal/process.ts';
import { createApiClient } from '../support/api-client.ts';
import { endAll, pidFileIn, startTocsin, type TocsinProcess } from '../support/child.ts';
import { startFakes } from '../support/expected.ts';
import { until } from '../support/until.ts';
import { FAILPOINTS } from './embedded.ts';

/** A worker's silence is noticed after 10 s, and the next attempt follows after up to 40 more (workflows/daily-summary.ts). */
const AGAIN_MS = 90_000;
const CONFIG = `
integrations:
  brief: { type: slack-webhook, url: '<SLACK_WEBHOOK>' }
  pages: { type: notion, token: '<NOTION_TOKEN>', database_id: '<NOTION_DB>', base_url: '<NOTION>' }
default: { notify: [] }
summaries:
  - { name: daily, at: '18:00', timezone: Asia/Seoul, notion: pages, notify: [brief] }
egress: { allow: ['127.0.0.0/8'] }
`;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-summary-'));
const configPath = join(dir, 'tocsin.yaml');
const key = 'key-of-the-summary-faults';
let vendors: Awaited<ReturnType<typeof startFakes>>;
let tocsin: TocsinProcess | undefined;

beforeAll(async () => {
  vendors = await startFakes();
  writeFileSync(configPath, vendors.fill(CONFIG));
});
afterAll(async () => {
  await endAll(tocsin, dir);
  await vendors?.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

/** Starts it, to fail at these steps. */
async function begin(failpoints: string): Promise<TocsinProcess> {
  const env = { FAILPOINT: failpoints, FAILPOINT_PIDS: `temporal=${pidFileIn(dir)}` };
  tocsin = await startTocsin({ stateDir: dir, configPath, key, env, nodeArgs: ['--import', FAILPOINTS] });
  return tocsin;
}

const api = () => createApiClient((tocsin as TocsinProcess).url, key);
const run = (date: string) => api().taken('POST', `/v1/summaries/${date}/run`);
const shorts = (date: string) =>
  vendors.fakes.slack.messages.filter(({ all }) => all.includes(`Summary daily ${date}`));

it(
  'the page of a day is one, whole and told, though its process and its Temporal are killed at each of its steps',
  async () => {
    const days = ['2026-01-15', '2026-01-16', '2026-01-17', '2026-01-18'] as const;
    for (const [at, step] of SUMMARY_STEPS.entries()) {
      const { pid, output } = await begin(`${step}:1:kill`);
      await run(days[at] as string);
      await until(`a kill at ${step}`, () => !isRunning(pid) || undefined, AGAIN_MS);
      expect(output()).toContain(`failpoint ${step} kill`);
    }
    // What was begun before is taken up again while the last one is on its way: there are steps enough for one after the other.
    const { output } = await begin(SUMMARY_STEPS.map((step) => `${step}:1:kill-temporal`).join(','));
    await run(days[3]);
    for (const day of days) {
      await until(`the summary of ${day} to be told`, () => shorts(day)[0], AGAIN_MS);
      const pages = vendors.fakes.notion.pages.filter(({ title, in_trash }) => title === `daily ${day}` && !in_trash);
      expect(pages).toHaveLength(1);
      expect(pages[0]?.blocks.filter(({ text }) => text === 'Incidents')).toHaveLength(1);
      for (const { all } of shorts(day)) expect(all).toContain(pages[0]?.url);
      const { summaries } = await api().taken<{ summaries: unknown[] }>('GET', `/v1/summaries/${day}`);
      expect(summaries).toMatchObject([{ name: 'daily', status: 'written', page: { url: pages[0]?.url } }]);
    }
    for (const step of SUMMARY_STEPS) expect(output()).toContain(`failpoint ${step} kill-temporal`);
    // Twice only where the answer of the first time was lost with a Temporal.
    for (const day of days) expect(shorts(day).length).toBeLessThanOrEqual(2);
  },
  6 * AGAIN_MS,
);
