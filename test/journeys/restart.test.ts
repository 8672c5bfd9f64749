/** Journeys through restarts: whatever an incident waits for, a killed Tocsin takes it up again, on time and nothing lost. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IncidentDetail } from '../../src/ledger/reading.ts';
import type { IncidentView } from '../../src/ledger/views.ts';
import { isRunning } from '../../src/temporal/process.ts';
import { createApiClient } from '../support/api-client.ts';
import {
  endAll,
  type StartInput,
  startInVain,
  startTocsin,
  type TocsinProcess,
  temporalPidIn,
} from '../support/child.ts';
import { startFakes, watch } from '../support/expected.ts';
import { LATE_MS, until } from '../support/until.ts';

/** Longer than half of it and a restart take on an idle machine, so that what is due lies behind both. */
const WAIT_MS = 15_000;
/** How far the waits are when Tocsin is killed: one that began anew would be later than LATE_MS. */
const MIDDLE_MS = LATE_MS + 2_000;
const SNOOZE_MS = 60_000;
const TOLD_MS = 90_000;

const CONFIG = `
integrations:
  hook: { type: webhook, url: '<HOOK>/hook', secret: '<HOOK_SECRET>' }
  next: { type: webhook, url: '<HOOK>/next', secret: '<HOOK_SECRET>' }
  flaky: { type: webhook, url: '<HOOK>/flaky', secret: '<HOOK_SECRET>', backoff: ${WAIT_MS}ms }
  slow: { type: webhook, url: '<HOOK>/slow', secret: '<HOOK_SECRET>', timeout: 3s, backoff: 1s }
escalations:
  on-call: { levels: [ { notify: [hook], wait: ${WAIT_MS}ms }, { notify: [next], wait: 1h } ] }
  forgetful: { levels: [ { notify: [hook], wait: 1h } ], ack_timeout: ${WAIT_MS}ms }
routes:
  - { name: window, match: [ 'type="window"' ], group_wait: ${WAIT_MS}ms, group_count: 1000, notify: [hook] }
  - { name: climbing, match: [ 'type="climbing"' ], escalate: on-call }
  - { name: forgetful, match: [ 'type="forgetful"' ], escalate: forgetful }
  - { name: flaky, match: [ 'type="flaky"' ], notify: [flaky] }
  - { name: slow, match: [ 'type="slow"' ], notify: [slow] }
default: { group_by: [service, type], group_now: [critical], notify: [hook] }
egress: { allow: ['127.0.0.0/8'] }
`;

const dir = mkdtempSync(join(tmpdir(), 'tocsin-restart-'));
const start: StartInput = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: 'key-of-the-restart-journey' };
let vendors: Awaited<ReturnType<typeof startFakes>>;
let arrivedAt: ReturnType<typeof watch<(typeof vendors.fakes.hook.requests.items)[number]>>;
let tocsin: TocsinProcess;

const outputs: (() => string)[] = [];
/** Starts it, and remembers what it writes. */
async function begin(): Promise<TocsinProcess> {
  const started = await startTocsin(start);
  outputs.push(started.output);
  return started;
}

beforeAll(async () => {
  vendors = await startFakes();
  arrivedAt = watch(vendors.fakes.hook.requests.waitFor);
  writeFileSync(start.configPath, vendors.fill(CONFIG));
  tocsin = await begin();
});
afterAll(async () => {
  await endAll(tocsin, dir);
  await vendors?.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

const api = () => createApiClient(tocsin.url, start.key);
const post = async (events: Record<string, unknown>[]): Promise<void> => {
  const all = events.map((event) => ({ source: 'journey', severity: 'critical', ...event }));
  const { accepted } = await api().taken<{ accepted: unknown[] }>('POST', '/v1/events', all);
  expect(accepted).toHaveLength(events.length);
};
const incidentOf = (service: string): Promise<IncidentView> =>
  until(`the incident of ${service}`, async () => {
    const { incidents } = await api().taken<{ incidents: IncidentView[] }>('GET', `/v1/incidents?service=${service}`);
    return incidents[0];
  });
const told = (target: string, reason: string, service: string) =>
  vendors.expected.hook.expects(
    new RegExp(`^/${target} .*"type":"incident.${reason}".*"service":"${service}"`),
    TOLD_MS,
  );
/** When a message came, on the clock of `Date.now()`, which that of the processes is. */
const timeOf = (message: Awaited<ReturnType<typeof told>>): number =>
  performance.timeOrigin + vendors.expected.hook.at(message);

/** Five incidents, each in the middle of another kind of wait, and what each waits for: when, where and why. */
async function inTheMiddle(round: string): Promise<{ service: string; target: string; reason: string; due: number }[]> {
  const service = (kind: string): string => `${kind}-${round}`;
  vendors.fakes.hook.script([{ status: 503, path: '/flaky' }]);
  const alarm = (type: string) => ({ type, title: `Waits: ${type}`, service: service(type) });
  await post([
    { type: 'window', title: 'Waits for the window', severity: 'warning', service: service('window') },
    ...['climbing', 'forgetful', 'flaky'].map(alarm),
  ]);
  const { opened_at } = await incidentOf(service('window'));
  const climbing = timeOf(await told('hook', 'group_now', service('climbing')));
  await told('hook', 'group_now', service('forgetful'));
  const { id } = await incidentOf(service('forgetful'));
  const { incident } = await api().taken<{ incident: IncidentView }>('POST', `/v1/incidents/${id}/ack`, { by: 'ada' });
  await told('hook', 'acknowledged', service('forgetful'));
  const attemptAt = async (target: string): Promise<number> => {
    const hit = await until(`an attempt at ${target}`, () =>
      vendors.fakes.hook.requests.items.find(({ path, raw }) => path === `/${target}` && raw.includes(service(target))),
    );
    return performance.timeOrigin + arrivedAt(hit);
  };
  const failed = await attemptAt('flaky');
  const flaky = await incidentOf(service('flaky'));
  await until('the failure to be recorded', async () => {
    const { deliveries } = await api().taken<IncidentDetail>('GET', `/v1/incidents/${flaky.id}`);
    return deliveries[0]?.status === 'failed' ? true : undefined;
  });
  await until('the middle of the waits', () => Date.now() - failed > MIDDLE_MS || undefined);
  vendors.fakes.hook.script([{ hang: true, path: '/slow' }]);
  await post([alarm('slow')]);
  const hanging = await attemptAt('slow');
  return [
    { service: service('window'), target: 'hook', reason: 'group_wait', due: Date.parse(opened_at) + WAIT_MS },
    { service: service('climbing'), target: 'next', reason: 'escalated', due: climbing + WAIT_MS },
    {
      service: service('forgetful'),
      target: 'hook',
      reason: 'ack_timed_out',
      due: Date.parse(incident.answered_at ?? '') + WAIT_MS,
    },
    { service: service('flaky'), target: 'flaky', reason: 'group_now', due: failed + WAIT_MS },
    // Nobody heard how this attempt ended: Temporal waits for its time to pass (3 s and a margin of 5), then for the backoff.
    { service: service('slow'), target: 'slow', reason: 'group_now', due: hanging + 9_000 },
  ];
}

/** Everything waited for comes when it is due, or as soon as Tocsin is up again; and once. */
async function comeOnTime(awaited: Awaited<ReturnType<typeof inTheMiddle>>): Promise<void> {
  const late: string[] = [];
  for (const { service, target, reason, due } of awaited) {
    const came = timeOf(await told(target, reason, service));
    const late_ms = came - Math.max(due, tocsin.since);
    if (late_ms > LATE_MS || came < due - LATE_MS)
      late.push(`${service}: ${Math.round(came - due)} ms after it was due`);
  }
  expect(late).toEqual([]);
  for (const { service } of awaited) {
    const { id } = await incidentOf(service);
    const { deliveries } = await api().taken<IncidentDetail>('GET', `/v1/incidents/${id}`);
    expect(deliveries.map(({ status }) => status)).not.toContain('dead');
  }
}

/** One snooze lasts through both restarts: the API takes none shorter than a minute. */
let begun = 0;
let snoozeEnds = Number.NaN;

describe('killed in the middle of every kind of wait', () => {
  it('together with its Temporal, Tocsin goes on where it was: all in time, nothing lost, nothing told twice', async () => {
    await post([{ type: 'snoozed', title: 'Put off', service: 'snoozed' }]);
    await told('hook', 'group_now', 'snoozed');
    const { id } = await incidentOf('snoozed');
    begun = Date.now();
    const asked = { for: '1m', by: 'ada' };
    const { incident } = await api().taken<{ incident: IncidentView }>('POST', `/v1/incidents/${id}/snooze`, asked);
    snoozeEnds = Date.parse(incident.snoozed_until ?? '');
    await told('hook', 'snoozed', 'snoozed');

    const awaited = await inTheMiddle('both');
    const kept = Array.from({ length: 200 }, (_, index) => ({
      type: 'window',
      severity: 'warning',
      title: `Kept ${index}`,
      service: 'window-both',
    }));
    await post(kept);
    await tocsin.end('SIGKILL');
    process.kill(tocsin.temporalPid, 'SIGKILL');
    tocsin = await begin();

    await comeOnTime(awaited);
    expect((await incidentOf('window-both')).alert_count, 'every event that was answered 202').toBe(kept.length + 1);
    vendors.expected.nothingElse();
  });

  it(
    'alone, its Temporal living on: the same; the Temporal left behind is ended first',
    async () => {
      const awaited = await inTheMiddle('alone');
      const { temporalPid } = tocsin;
      await tocsin.end('SIGKILL');
      expect(isRunning(temporalPid)).toBe(true);
      tocsin = await begin();
      expect(tocsin.temporalPid).not.toBe(temporalPid);
      expect(isRunning(temporalPid)).toBe(false);
      await comeOnTime(awaited);

      const paged = timeOf(await told('hook', 'snooze_ended', 'snoozed'));
      expect(snoozeEnds - begun, 'the snooze is as long as was asked for').toBeGreaterThan(SNOOZE_MS - LATE_MS);
      expect(Math.abs(paged - Math.max(snoozeEnds, tocsin.since))).toBeLessThan(LATE_MS);
      vendors.expected.nothingElse();
    },
    2 * SNOOZE_MS + TOLD_MS,
  );
});

describe('a running Tocsin', () => {
  it.runIf(process.platform === 'linux')('is the process that was started, and gives memory back', () => {
    expect(readFileSync(`/proc/${tocsin.pid}/environ`, 'utf8')).toContain('MALLOC_TRIM_THRESHOLD_=131072\0');
  });

  it('refuses a second one on its folder, naming itself', async () => {
    const { code, output } = await startInVain(start);
    expect(code).toBe(1);
    expect(output).toContain(`process ${tocsin.pid}`);
    expect((await fetch(`${tocsin.url}/healthz`)).status).toBe(200);
  });

  it('starts its Temporal again when that dies alone, and goes on by itself', async () => {
    const { pid, temporalPid } = tocsin;
    process.kill(temporalPid, 'SIGKILL');
    await post([{ type: 'anything', title: 'While it is dead', service: 'revived' }]);
    await told('hook', 'group_now', 'revived');
    expect(temporalPidIn(dir)).not.toBe(temporalPid);
    expect(isRunning(pid)).toBe(true);
  });

  it('stops cleanly at Ctrl-C, its Temporal with it, even while that is being started again', async () => {
    const dead = temporalPidIn(dir);
    process.kill(dead, 'SIGKILL');
    const temporal = await until('another Temporal', () => {
      const pid = temporalPidIn(dir);
      return pid === dead ? undefined : pid;
    });
    expect(await tocsin.end('SIGINT')).toBe(0);
    expect(isRunning(temporal)).toBe(false);
    vendors.expected.nothingElse();
  });

  it('has written no secret into its output, and none and no title into what Temporal keeps', () => {
    const { secret = '' } = vendors.fakes.hook;
    expect(secret).not.toBe('');
    for (const said of outputs) for (const word of [secret, start.key]) expect(said()).not.toContain(word);
    const state = join(dir, 'state');
    const files = readdirSync(state).filter((name) => name.startsWith('temporal.'));
    expect(files).toContain('temporal.db');
    const kept = files.map((name) => readFileSync(join(state, name), 'latin1')).join('\n');
    expect(kept, 'it keeps histories in clear: what follows looks for something').toContain('"kind":"fired"');
    for (const word of [secret, start.key, 'Waits for the window', 'Kept 17', vendors.fakes.hook.url]) {
      expect(kept.includes(word), word === secret || word === start.key ? 'a secret' : word).toBe(false);
    }
  });
});
