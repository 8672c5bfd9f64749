import { ApplicationFailure, asyncLocalStorage, type Context } from '@temporalio/activity';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { Bulkhead } from '../../activities/bulkhead.ts';
import { createDeliver, type DeliverInput } from '../../activities/deliver.ts';
import type { Deps } from '../../activities/deps.ts';
import { type Channel, defineChannel, delivered, type Outcome, rejected, retry } from '../../src/channels/channel.ts';
import type { Integration } from '../../src/config/integrations.ts';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import type { Severity } from '../../src/core/event.ts';
import { openIncident, withBatch } from '../../src/core/incident.ts';
import type { Notice, Reason } from '../../src/core/notice.ts';
import { nextStep } from '../../src/core/plan.ts';
import { withEnded, withRunning } from '../../src/core/rounds.ts';
import { withTelling } from '../../src/core/telling.ts';
import { command } from '../../src/ledger/answers.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { beginAttempt, recordAttempt } from '../../src/ledger/deliveries.ts';
import { unwell } from '../../src/ledger/health.ts';
import { listDeliveries } from '../../src/ledger/reading.ts';
import { recordReceipt } from '../../src/ledger/receipts.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createRedactor } from '../../src/observe/redact.ts';
import { laterForRates, one, opened, openTestLedger, route, routing } from '../support/ledger.ts';
import { HOUR, MINUTE, SECOND } from '../support/policies.ts';

const SECRET = 'hook-secret-123456';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

type Find = NonNullable<Channel['find']>;

/** The activity over a channel made of values: each call takes the next outcome, the last one for ever. */
function deliveryBy(
  outcomes: (Outcome | Error)[],
  more: {
    integration?: Partial<Integration>;
    find?: Find;
    ledger?: Ledger;
    channel?: string;
    arrives?: 'later';
    /** What the provider answers over HTTP; without it nothing is fetched. */
    status?: number;
    onSend?: (call: Parameters<Channel['send']>[0]) => void;
    bulkhead?: Bulkhead;
  } = {},
) {
  const told: Notice[] = [];
  const lines: string[] = [];
  const channel: Channel = {
    ...defineChannel({
      id: more.channel ?? 'made',
      name: 'Made of values',
      setup: 'Nothing to do.',
      config: z.object({}),
      sample: {},
      can: { thread: true, update: false },
      patience: { timeout_ms: 10 * SECOND, max_attempts: 4, backoff_ms: 5 * SECOND },
      async send(call) {
        told.push(call.notice);
        if (more.status !== undefined) await call.fetch('http://127.0.0.1/');
        more.onSend?.(call);
        const outcome = outcomes.length > 1 ? outcomes.shift() : outcomes[0];
        if (outcome === undefined || outcome instanceof Error) throw outcome ?? new Error('no outcome is left');
        return outcome;
      },
    }),
    ...(more.find ? { find: more.find } : {}),
    ...(more.arrives ? { arrives: more.arrives } : {}),
  };
  const integration: Integration = {
    name: 'chat',
    type: channel.id,
    kind: 'channel',
    config: {},
    enabled: true,
    on_ambiguous: 'resend',
    patience: channel.patience,
    ...more.integration,
  };
  let now = new Date();
  const deps: Deps = {
    ledger: more.ledger ?? ledger,
    config: {
      integrations: new Map([['chat', integration]]),
      routing: routing(),
      summaries: [],
      heartbeats: new Map(),
      retention: { events: 0, incidents: 0, sends: 0, summaries: 0, audit: 0 },
      egress: { allow: [] },
      people: new Map(),
      sources: new Map(),
      links: {},
      unresolved: [],
      warnings: [],
      secrets: [SECRET],
    },
    integrationNamed: async (name) =>
      name === integration.name ? integration : { missing: `no integration named ${name}` },
    redactor: createRedactor([SECRET]),
    channelOf: (id) => (id === channel.id ? channel : undefined),
    egress: {
      fetch: async () => new Response(null, { status: more.status ?? 200 }),
      resolve: async (host) => host,
    },
    log: createLog({
      level: 'info',
      secrets: [SECRET],
      destination: { write: (line: string) => void lines.push(line) },
    }),
    metrics: createMetrics({ reasons: [], channels: [channel.id], failures: [] }),
    print: () => undefined,
    now: () => now,
  };
  const deliver = createDeliver(deps, undefined, more.bulkhead);
  const scheduled = now.getTime();
  /** Runs as one attempt of an activity that was scheduled when this was made. */
  const run = (input: DeliverInput) => {
    const silent = {
      trace: () => undefined,
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    };
    const context = {
      info: { attempt: 1, scheduledTimestampMs: scheduled, currentAttemptScheduledTimestampMs: now.getTime() },
      cancellationSignal: new AbortController().signal,
      log: silent,
    };
    return asyncLocalStorage.run(context as unknown as Context, () => deliver(input));
  };
  const passes = (ms: number): void => {
    now = new Date(now.getTime() + ms);
  };
  return { run, told, lines, passes };
}

/** What the workflow hands to the activity for the first page of an incident of its own. */
async function page(severity: Severity = 'error', reason: Reason = 'group_now'): Promise<DeliverInput> {
  const { opening, batch } = await opened(ledger, routing(), { severity });
  const folded = withBatch(openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at), batch);
  const snapshot = withRunning(withTelling(folded, { reason, targets: ['chat'] }, Date.now()), ['chat']);
  const out = snapshot.targets.chat?.current;
  if (!out) throw new Error('nothing to send');
  return { incident: opening.id, target: 'chat', out, snapshot };
}

const deliveryRow = (key?: string) =>
  one<{
    status: string;
    failure: string | null;
    detail: string | null;
    round: number;
    attempts: number;
    round_attempts: number;
    next_at: Date | null;
  }>(
    ledger,
    'select status, failure, detail, round, attempts, round_attempts, next_at from deliveries where $1::text is null or key = $1',
    [key ?? null],
  );

/** The failure that Temporal would see. */
async function failureOf(work: Promise<unknown>): Promise<ApplicationFailure> {
  const failure = await work.then(
    (value) => new Error(`it ended: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (!(failure instanceof ApplicationFailure)) throw failure;
  return failure;
}

describe('a delivery', () => {
  it('tells the channel the incident as the ledger knows it, and records that it arrived', async () => {
    const { run, told } = deliveryBy([delivered({ ts: '1' })]);
    const input = await page();
    expect(await run(input)).toEqual({ outcome: 'delivered' });
    expect(told).toMatchObject([
      { reason: 'group_now', headline: 'Checkout fails', delivery: { key: input.out.key, attempt: 1 } },
    ]);
    expect(await deliveryRow()).toMatchObject({ status: 'delivered', attempts: 1 });
    expect(await one(ledger, 'select ref from threads')).toEqual({ ref: { ts: '1' } });
  });

  it('that is repeated after it was recorded sends nothing again', async () => {
    const { run, told } = deliveryBy([delivered()]);
    const input = await page();
    await run(input);
    expect(await run(input)).toEqual({ outcome: 'delivered' });
    expect(told).toHaveLength(1);
  });

  it('of a page that somebody answered is stale and never reaches the channel', async () => {
    const { run, told } = deliveryBy([delivered()]);
    const input = await page();
    await command(ledger, input.incident, { kind: 'ack' }, { by: 'ana', key: 'k1' });
    expect(await run(input)).toEqual({ outcome: 'stale' });
    expect(told).toEqual([]);
  });

  it('to an integration that is not configured is dead, saying what to do', async () => {
    const { run } = deliveryBy([delivered()]);
    expect(await run({ ...(await page()), target: 'gone' })).toEqual({ outcome: 'failed', dead: true });
    expect(await deliveryRow()).toMatchObject({
      status: 'dead',
      failure: 'config',
      detail: expect.stringContaining('no integration named gone'),
    });
  });

  it.each<[string, Partial<Integration>, Severity, Reason]>([
    ['switched off', { enabled: false }, 'critical', 'group_now'],
    ['below the integration', { threshold: 'error' }, 'warning', 'group_now'],
    ['send_resolved: false', { config: { send_resolved: false } }, 'error', 'resolved'],
  ])('that is not for this integration is skipped: %s', async (why, integration, severity, reason) => {
    const { run, told } = deliveryBy([delivered()], { integration });
    expect(await run(await page(severity, reason))).toEqual({ outcome: 'skipped' });
    expect(told).toEqual([]);
    expect(await deliveryRow()).toMatchObject({ status: 'skipped', detail: expect.stringContaining(why) });
  });

  it('is not begun again where rounds never came back and it was tried for long enough', async () => {
    const { run, told, passes } = deliveryBy([delivered()]);
    const input = await page('error');
    passes(26 * 60 * MINUTE);
    expect(await run({ ...input, out: { ...input.out, round: 30 } })).toEqual({ outcome: 'failed', dead: true });
    expect(told).toEqual([]);
    expect(await deliveryRow()).toMatchObject({ status: 'dead', detail: expect.stringContaining('long enough') });
  });

  it('waits for its rate before anything begins', async () => {
    const { run, told, passes } = deliveryBy([delivered()], { integration: { rate: { count: 1, per_ms: MINUTE } } });
    await run(await page());
    const second = await page();
    const { type, nextRetryDelay } = await failureOf(run(second));
    expect(type).toBe('rate_limited');
    expect(Number(nextRetryDelay)).toBeGreaterThan(MINUTE - 10 * SECOND);
    expect(Number(nextRetryDelay)).toBeLessThanOrEqual(MINUTE);
    await laterForRates(ledger, MINUTE);
    passes(MINUTE);
    expect(await run(second)).toEqual({ outcome: 'delivered' });
    expect(told).toHaveLength(2);
  });
});

describe('an event whose mail brings an SMS with it', () => {
  const by = {
    ...routing([], { besides: new Map([['mail', [{ kind: 'productionOutage', to: 'phone' }]]]) }),
    fallback: route({ name: 'default', policy: { notify: ['mail'], group_now: ['critical'] } }),
  };
  /** As the workflow does it: what is due now, for every target. */
  const due = async (type: string) => {
    const { opening, batch } = await opened(ledger, by, { type, severity: 'critical' });
    const folded = withBatch(openIncident(opening.id, opening.policy, opening.epoch, opening.opened_at), batch);
    const step = nextStep(folded, Date.now());
    if (step.kind !== 'tell') throw new Error(`expected to tell, not ${step.kind}`);
    const snapshot = withRunning(withTelling(folded, step, Date.now()), step.targets);
    const inputs = step.targets.map((target): DeliverInput => {
      const out = snapshot.targets[target]?.current;
      if (!out) throw new Error(`nothing to send to ${target}`);
      return { incident: opening.id, target, out, snapshot };
    });
    return { incident: opening.id, inputs };
  };
  const as = (name: string, outcome: Outcome, more: Partial<Integration> = {}) =>
    deliveryBy([outcome], { integration: { name, ...more } });

  it('has two deliveries, each with attempts, retries and an end of its own', async () => {
    const { incident, inputs } = await due('production_outage');
    const [mail, phone] = inputs;
    if (!mail || !phone) throw new Error('two are told');
    expect(await as('mail', delivered()).run(mail)).toEqual({ outcome: 'delivered' });
    const patience = { timeout_ms: SECOND, max_attempts: 2, backoff_ms: 7 * SECOND };
    const sms = as('phone', retry('server', 'Twilio: 500'), { patience });
    expect(await failureOf(sms.run(phone))).toMatchObject({ type: 'server', nextRetryDelay: 7 * SECOND });
    const rows = () =>
      ledger.query('select target, reason, status, attempts from deliveries where incident = $1 order by target', [
        incident,
      ]);
    expect(await rows()).toEqual([
      { target: 'mail', reason: 'group_now', status: 'delivered', attempts: 1 },
      { target: 'phone', reason: 'group_now', status: 'retrying', attempts: 1 },
    ]);
    expect(await as('phone', delivered(), { patience }).run(phone)).toEqual({ outcome: 'delivered' });
    expect(await rows()).toMatchObject([{ attempts: 1 }, { target: 'phone', status: 'delivered', attempts: 2 }]);
    expect(sms.told).toMatchObject([{ headline: 'Checkout fails', alerts: [{ type: 'production_outage' }] }]);
  });

  it('says why the SMS was not sent', async () => {
    const { inputs } = await due('production_outage');
    const phone = inputs.at(-1);
    if (!phone) throw new Error('two are told');
    expect(await as('phone', delivered(), { enabled: false }).run(phone)).toEqual({ outcome: 'skipped' });
    expect(await deliveryRow(phone.out.key)).toMatchObject({
      status: 'skipped',
      detail: 'the integration is switched off',
    });
  });

  it('has one delivery where its kind is another', async () => {
    expect((await due('cpu_high')).inputs.map(({ target }) => target)).toEqual(['mail']);
  });
});

describe('a failover with the defaults', () => {
  it('has reached the backup within 30 s of the first attempt, also where its own first attempt hangs', async () => {
    const hook = 'type: webhook, url: https://example.com/hook';
    const { routing, integrations } = fromText(
      `integrations: { a: { ${hook} }, b: { ${hook} } }\ndefault: { notify: [a], failover: { a: b } }`,
      'tocsin.yaml',
      {},
      REGISTRY,
    );
    const after_ms = routing.fallback.policy.failover.a?.after_ms ?? Number.NaN;
    const patience = integrations.get('b')?.patience;
    const { run } = deliveryBy([retry('timeout', 'no answer within the timeout')], {
      integration: patience ? { patience } : {},
    });
    const deadlines = vi.spyOn(AbortSignal, 'timeout');
    try {
      const { nextRetryDelay } = await failureOf(run(await page('critical', 'failover')));
      const hung_ms = Math.max(...deadlines.mock.calls.map(([ms]) => ms));
      // It is told after this long, hangs for as long as it may, and is told again after its backoff.
      expect([after_ms, hung_ms, Number(nextRetryDelay)]).toEqual([15 * SECOND, 8 * SECOND, 5 * SECOND]);
      // What is left is for its answer, and for the machine.
      expect(after_ms + hung_ms + Number(nextRetryDelay)).toBeLessThanOrEqual(28 * SECOND);
      deadlines.mockClear();
      await failureOf(run(await page('critical')));
      expect(deadlines.mock.calls).toEqual([[10 * SECOND]]);
    } finally {
      deadlines.mockRestore();
    }
  });
});

describe('an integration that hangs', () => {
  it('is asked later, while enough attempts wait for it; until then the delivery is seen to wait', async () => {
    let wait_ms = 3 * SECOND;
    const bulkhead: Bulkhead = { waitFor: () => wait_ms, during: (_target, attempt) => attempt() };
    const { run, told, passes } = deliveryBy([delivered()], { bulkhead });
    const asked = await page();
    const { type, nextRetryDelay } = await failureOf(run(asked));
    expect([type, Number(nextRetryDelay), told.length]).toEqual(['crowded', 3 * SECOND, 0]);
    expect((await listDeliveries(ledger, { status: 'pending', limit: 50 })).deliveries).toHaveLength(1);
    wait_ms = 0;
    passes(3 * SECOND);
    expect(await run(asked)).toEqual({ outcome: 'delivered' });
  });
});

describe('a rate', () => {
  const rate = { count: 30, per_ms: MINUTE };
  const later = (ms: number) => laterForRates(ledger, ms);
  /** While it waits, two more are decided for the same target, and its round ends as it does when Temporal has waited for five minutes. */
  const newerThan = (waits: DeliverInput): DeliverInput => {
    const decided = (['severity_rose', 'group_interval'] as const).reduce(
      (incident, reason) => withTelling(incident, { reason, targets: ['chat'] }, Date.now()),
      waits.snapshot,
    );
    const ended = withEnded(decided, 'chat', waits.out.key, { outcome: 'failed', dead: false }, Date.now());
    const out = ended.targets.chat?.current;
    expect(out?.reason).toBe('group_interval');
    if (!out) throw new Error('nothing is left to send');
    return { ...waits, out, snapshot: withRunning(ended, ['chat']) };
  };
  const counted = async () =>
    Object.fromEntries(
      (
        await ledger.query<{ status: string; count: number }>(
          'select status, count(*)::int as count from deliveries group by status',
        )
      ).map(({ status, count }) => [status, count]),
    );

  it('of 30/m sends no more than 30 in any minute; what waits is kept and seen to wait, or superseded by newer news', async () => {
    const { run, told } = deliveryBy([delivered()], { integration: { rate } });
    let passed = 0;
    const pass = async (ms: number): Promise<void> => {
      await later(ms);
      passed += ms;
    };
    /** When the last turn was taken, by the clock that `pass` moves. */
    const taken = async (): Promise<number> => {
      const [row] = await ledger.query<{ at: number }>(
        'select (extract(epoch from turns[cardinality(turns)]) * 1000)::float8 as at from rates',
      );
      return (row?.at ?? 0) + passed;
    };
    const sent: number[] = [];
    let waiting: DeliverInput[] = [];
    const round = async (): Promise<void> => {
      const still: DeliverInput[] = [];
      for (const one of waiting) {
        const failed = await run(one).then(
          () => undefined,
          (error: ApplicationFailure) => error.type,
        );
        if (failed === undefined) sent.push(await taken());
        else still.push(one);
        expect([undefined, 'rate_limited']).toContain(failed);
      }
      waiting = still;
    };
    const more = async (count: number): Promise<void> => {
      for (let made = 0; made < count; made++) waiting.push(await page());
    };
    await more(20);
    await round();
    expect(waiting).toEqual([]);
    await pass(25 * SECOND);
    await more(34);
    await round();
    expect(sent.length).toBeGreaterThanOrEqual(30);
    const pending = await listDeliveries(ledger, { status: 'pending', limit: 100 });
    expect(pending.deliveries.map(({ key }) => key).sort()).toEqual(waiting.map(({ out }) => out.key).sort());
    // The last in the queue has newer news meanwhile, twice.
    const [late] = waiting.splice(-1);
    if (!late) throw new Error('nothing waits');
    const [first, newest] = [late.out.key, newerThan(late)];
    waiting.push(newest);
    while (waiting.length > 0 && passed < 5 * MINUTE) {
      await pass(7 * SECOND);
      await round();
    }
    expect(passed).toBeGreaterThan(MINUTE);
    const minutes = sent.slice(30).map((at, before) => at - (sent[before] ?? 0));
    expect(minutes.length).toBeGreaterThan(20);
    expect(minutes.filter((ms) => ms < MINUTE - 0.01)).toEqual([]); // A float has no more of an epoch in it.
    expect([told.length, new Set(told.map(({ delivery }) => delivery.key)).size]).toEqual([54, 54]);
    expect(await counted()).toEqual({ delivered: 54, superseded: 2 });
    const overtaken = await ledger.query<{ key: string; superseded_by: string }>(
      `select key, superseded_by from deliveries where status = 'superseded'`,
    );
    expect(overtaken.map(({ superseded_by }) => superseded_by)).toEqual([newest.out.key, newest.out.key]);
    expect(overtaken.map(({ key }) => key)).toContain(first);
  });

  it('coalesces what waits for it: the newest is sent, the others end superseded by it, and the numbers add up', async () => {
    const { run, told } = deliveryBy([delivered()], { integration: { rate: { count: 1, per_ms: MINUTE } } });
    await run(await page());
    const first = await page();
    await failureOf(run(first));
    const newer = newerThan(first);
    const newest = newer.out;
    const middle = newest.overtook?.find((key) => key !== first.out.key) ?? '';
    await later(MINUTE);
    expect(await run(newer)).toEqual({ outcome: 'delivered' });
    expect(
      await ledger.query('select key, status, superseded_by from deliveries where incident = $1 order by status, key', [
        first.incident,
      ]),
    ).toEqual([
      { key: newest.key, status: 'delivered', superseded_by: null },
      ...[first.out.key, middle].sort().map((key) => ({ key, status: 'superseded', superseded_by: newest.key })),
    ]);
    // Four were decided: two were sent, and two are told by one of these.
    expect(await counted()).toEqual({ delivered: 2, superseded: 2 });
    expect(told).toHaveLength(2);
  });

  it('whose next turn is far away leaves the notice to the next round, so that a newer one overtakes it at once', async () => {
    const { run, told } = deliveryBy([delivered()], { integration: { rate: { count: 1, per_ms: HOUR } } });
    await run(await page());
    const first = await page();
    const ended = await run(first);
    expect(ended).toMatchObject({ outcome: 'failed', dead: false });
    if (ended.outcome !== 'failed') throw new Error('it did not wait');
    expect(ended.after_ms).toBeGreaterThan(59 * MINUTE);
    expect((await deliveryRow(first.out.key)).next_at?.getTime()).toBeGreaterThan(Date.now() + 59 * MINUTE);
    const waits = withEnded(first.snapshot, 'chat', first.out.key, ended, Date.now());
    const newer = withTelling(waits, { reason: 'resolved', targets: ['chat'] }, Date.now()).targets.chat?.current;
    expect(newer).toMatchObject({ reason: 'resolved', round: 0, overtook: [first.out.key] });
    expect(told).toHaveLength(1);
  });

  it('that is not free for many rounds lets even an info wait: nothing was tried yet', async () => {
    const { run, told, passes } = deliveryBy([delivered()], { integration: { rate: { count: 1, per_ms: MINUTE } } });
    await run(await page());
    const input = await page('info');
    await failureOf(run(input));
    passes(3 * HOUR);
    await later(MINUTE);
    expect(await run({ ...input, out: { ...input.out, round: 4 } })).toEqual({ outcome: 'delivered' });
    expect(told).toHaveLength(2);
    const never = await page('info');
    await failureOf(run(never));
    passes(26 * HOUR);
    expect(await run({ ...never, out: { ...never.out, round: 30 } })).toEqual({ outcome: 'failed', dead: true });
    expect(await deliveryRow(never.out.key)).toMatchObject({
      detail: expect.stringContaining('its turn under the rate'),
    });
  });
});

describe('what is kept of an attempt', () => {
  const attempts = () => ledger.query('select outcome, reason, code, latency_ms, detail from attempts order by id');

  it.each<[string, Outcome, { status?: number }, string | null]>([
    ['the HTTP status of a success', delivered(), { status: 204 }, '204'],
    ['the HTTP status of a failure', rejected('payload', 'HTTP 422: no such field'), { status: 422 }, '422'],
    [
      "the vendor's own word over it",
      rejected('gone', 'the channel is archived', { code: 'is_archived' }),
      { status: 200 },
      'is_archived',
    ],
    [
      'the word for a no that came with a 200',
      rejected('gone', 'Slack: is_archived: unarchive it'),
      { status: 200 },
      'is_archived',
    ],
    ['the status where there is no word', rejected('auth', 'Slack: posting is for admins'), { status: 403 }, '403'],
    ['the code that the words begin with', rejected('config', 'SMTP 550 at RCPT TO: refused'), {}, '550'],
    ['no code where there is none', rejected('config', 'two fields exclude each other'), {}, null],
  ])('is %s, its class, its words and how long it took', async (_what, outcome, more, code) => {
    const { run } = deliveryBy([outcome], more);
    await run(await page());
    const [kept] = await attempts();
    expect(kept).toMatchObject({ code, latency_ms: expect.any(Number) });
    if (outcome.kind !== 'delivered') expect(kept).toMatchObject({ reason: outcome.reason, detail: outcome.detail });
  });

  it('holds no secret, not even as a code', async () => {
    const { run } = deliveryBy([rejected('auth', 'refused', { code: SECRET })]);
    await run(await page());
    expect(JSON.stringify(await attempts())).not.toContain(SECRET);
  });

  it('counts as sent, not as delivered, where the provider only passes it on', async () => {
    const { run } = deliveryBy([delivered({ id: 'SM1' })], { arrives: 'later' });
    await run(await page());
    expect((await listDeliveries(ledger, { limit: 1 })).deliveries).toMatchObject([{ status: 'sent' }]);
    expect(await recordReceipt(ledger, { target: 'chat', message: 'SM1', state: 'read' })).toMatchObject({
      outcome: 'recorded',
    });
  });
});

describe('an integration that refuses', () => {
  it('three times is sent nothing more: what follows is dead at once, so that a failover follows', async () => {
    const { run, told, lines } = deliveryBy([rejected('auth', 'HTTP 401')]);
    for (let refused = 1; refused <= 3; refused++) await run(await page());
    expect(lines.join('')).toContain('an integration is not well');
    expect(await run(await page('critical'))).toEqual({ outcome: 'failed', dead: true });
    expect(told).toHaveLength(3);
    expect((await listDeliveries(ledger, { failure: 'disabled', limit: 9 })).deliveries).toMatchObject([
      { status: 'dead', attempts: 0, detail: expect.stringContaining('auth: HTTP 401') },
    ]);
  });

  it('is enabled by the first delivery that is let through and arrives', async () => {
    const { run, told } = deliveryBy([...Array.from({ length: 3 }, () => rejected('gone', 'HTTP 404')), delivered()]);
    for (let refused = 1; refused <= 3; refused++) await run(await page());
    await ledger.query(`update integration_health set probe_at = probe_at - interval '15 minutes'`);
    expect(await run(await page())).toEqual({ outcome: 'delivered' });
    expect(await run(await page())).toEqual({ outcome: 'delivered' });
    expect(told).toHaveLength(5);
    expect((await unwell(ledger)).size).toBe(0);
  });

  it('by a 429 with Retry-After refuses nothing', async () => {
    const { run } = deliveryBy([retry('rate_limited', 'HTTP 429', { after_ms: SECOND })]);
    for (let asked = 1; asked <= 3; asked++) await failureOf(run(await page()));
    expect(await ledger.query('select * from integration_health')).toEqual([]);
  });

  it('and cannot be counted is delivered to all the same', async () => {
    const failing: Ledger = {
      ...ledger,
      call: (name, args) =>
        name === 'noteFailure' ? Promise.reject(new Error('the ledger is away')) : ledger.call(name, args),
    };
    const { run, lines } = deliveryBy([rejected('auth', 'HTTP 401')], { ledger: failing });
    expect(await run(await page())).toEqual({ outcome: 'failed', dead: true });
    expect(lines.join('')).toContain('a failure could not be counted');
  });
});

describe('a failed attempt', () => {
  it('is repeated after 5, 10 and 20 s, and then the round has failed', async () => {
    const { run, told, passes } = deliveryBy([retry('server', 'HTTP 503')]);
    const input = await page('error');
    const waits: unknown[] = [];
    for (let tried = 1; tried <= 3; tried++) {
      const failure = await failureOf(run(input));
      waits.push(failure.nextRetryDelay);
      expect(failure).toMatchObject({
        type: 'server',
        message: 'not delivered: server',
        nonRetryable: false,
        category: 'BENIGN',
      });
      passes(Number(failure.nextRetryDelay));
    }
    expect(waits).toEqual([5 * SECOND, 10 * SECOND, 20 * SECOND]);
    expect(await run(input)).toEqual({ outcome: 'failed', dead: false, after_ms: 0 });
    expect(told).toHaveLength(4);
    expect(new Set(told.map(({ delivery }) => delivery.key)).size).toBe(1);
    expect(await deliveryRow()).toMatchObject({ status: 'retrying', round: 1, attempts: 4, next_at: expect.any(Date) });
  });

  it('is repeated in the same words: the time of the notice is that of the first attempt', async () => {
    const { run, told } = deliveryBy([retry('server', 'HTTP 503'), delivered()]);
    const input = await page();
    await failureOf(run(input));
    await ledger.query(`update attempts set started_at = started_at - interval '1 hour'`);
    const { at } = await one<{ at: Date }>(ledger, 'select started_at as at from attempts');
    await run(input);
    expect(told[1]?.at).toBe(at.toISOString());
  });

  it('that has achieved something hands it to the next, over the end of a round as well', async () => {
    const seen: unknown[] = [];
    const half = { message_id: '<1@example.com>', refused: [{ address: 'b@example.com', code: 450 }] };
    const { run, passes } = deliveryBy(
      [retry('server', 'half of it', { ref: half }), retry('network', 'connection failed')],
      { onSend: ({ so_far, root }) => void seen.push([so_far, root]) },
    );
    const input = await page('error');
    for (let tried = 1; tried <= 3; tried++) passes(Number((await failureOf(run(input))).nextRetryDelay));
    await run(input);
    expect(seen).toEqual([[{}, undefined], ...Array.from({ length: 3 }, () => [{ ref: half }, half])]);
    expect(await one(ledger, 'select ref from deliveries')).toEqual({ ref: half });
  });

  it('by a 429 with Retry-After waits as long as it says, and is no attempt', async () => {
    const { run, passes } = deliveryBy([retry('rate_limited', 'HTTP 429', { after_ms: 7 * SECOND })]);
    const input = await page('error');
    for (let tried = 1; tried <= 6; tried++) {
      expect(await failureOf(run(input))).toMatchObject({ type: 'rate_limited', nextRetryDelay: 7 * SECOND });
      passes(7 * SECOND);
    }
    expect(await deliveryRow()).toMatchObject({ attempts: 6, round_attempts: 0 });
  });

  it('by a 429 that asks for no wait at all is an attempt like others, and is not asked without end', async () => {
    const { run } = deliveryBy([retry('rate_limited', 'HTTP 429', { after_ms: 0 })]);
    const input = await page('error');
    const { nextRetryDelay } = await failureOf(run(input));
    expect(nextRetryDelay).toBeGreaterThanOrEqual(SECOND);
    expect(await deliveryRow()).toMatchObject({ attempts: 1, round_attempts: 1 });
  });

  it('whose wait does not fit into the round ends the round, and the wait is kept', async () => {
    const { run } = deliveryBy([retry('rate_limited', 'HTTP 429', { after_ms: 10 * MINUTE })]);
    expect(await run(await page('error'))).toEqual({ outcome: 'failed', dead: false, after_ms: 10 * MINUTE });
  });

  it.each<[Severity, boolean]>([
    ['critical', false],
    ['error', false],
    ['warning', true],
    ['info', true],
  ])('that is the last of a round of a %s: dead is %s', async (severity, dead) => {
    const { run } = deliveryBy([retry('server', 'HTTP 503')], {
      integration: { patience: { timeout_ms: SECOND, max_attempts: 1, backoff_ms: SECOND } },
    });
    expect(await run(await page(severity))).toMatchObject({ outcome: 'failed', dead });
  });

  it.each([
    ['made', 24],
    ['webhook', 75],
  ])('by %s is given up when another round would end after %i h', async (channel, hours) => {
    const { run } = deliveryBy([retry('server', 'HTTP 503')], {
      channel,
      integration: { patience: { timeout_ms: SECOND, max_attempts: 1, backoff_ms: SECOND } },
    });
    const input = await page('critical');
    const inRound = (due: number): DeliverInput => ({ ...input, out: { ...input.out, round: 20, due } });
    const last = input.out.since + hours * HOUR - HOUR;
    expect(await run(inRound(last))).toMatchObject({ outcome: 'failed', dead: false });
    expect(await run(inRound(last + 1))).toMatchObject({ outcome: 'failed', dead: true });
  });

  it('that is permanent is dead at once', async () => {
    const { run, told } = deliveryBy([rejected('auth', 'HTTP 401')]);
    expect(await run(await page('critical'))).toEqual({ outcome: 'failed', dead: true });
    expect(told).toHaveLength(1);
    expect(await deliveryRow()).toMatchObject({ status: 'dead', failure: 'auth', detail: 'HTTP 401' });
  });

  it('by a channel that throws is repeated, and no secret of it is kept anywhere', async () => {
    const { run, lines } = deliveryBy([new Error(`could not reach https://example.com/${SECRET}`)]);
    const failure = await failureOf(run(await page()));
    const everything = JSON.stringify([
      failure.message,
      failure.stack,
      await ledger.query('select * from deliveries'),
      await ledger.query('select * from attempts'),
    ]);
    expect(everything).not.toContain(SECRET);
    expect(lines.join('')).not.toContain(SECRET);
    expect(lines.join('')).toContain('the channel threw');
  });

  it('by a channel whose own code is wrong says so, not that the network failed', async () => {
    const { run } = deliveryBy([new TypeError(`cannot read ${SECRET}`)]);
    await failureOf(run(await page()));
    expect(await deliveryRow()).toMatchObject({
      status: 'retrying',
      failure: 'unforeseen',
      detail: 'the channel made threw (TypeError); the log of the worker has all of it',
    });
  });

  it('of what cannot be said is an attempt like others: seen at once, repeated, and dead in the end', async () => {
    const { run, told, lines, passes } = deliveryBy([delivered()]);
    const input = await page('warning');
    await ledger.query(`update events set event = (event::jsonb - 'links')::json`);
    for (let nth = 1; nth < 4; nth++) {
      expect((await failureOf(run(input))).type).toBe('unforeseen');
      expect(await deliveryRow()).toMatchObject({ status: 'retrying', failure: 'unforeseen', attempts: nth });
      passes(40 * SECOND);
    }
    expect(await run(input)).toEqual({ outcome: 'failed', dead: true });
    expect(await deliveryRow()).toMatchObject({
      status: 'dead',
      failure: 'unforeseen',
      detail: 'the notice could not be composed (TypeError); the log of the worker has all of it',
      attempts: 4,
    });
    expect(await ledger.query(`select 1 from attempts where reason = 'unforeseen' and doubt is null`)).toHaveLength(4);
    expect(told).toEqual([]);
    expect(lines.join('')).toContain('a notice could not be composed');
  });

  it('tells no secret that a provider sent back', async () => {
    const { run } = deliveryBy([rejected('payload', `no such hook\n${SECRET}`)]);
    await run(await page());
    expect((await deliveryRow()).detail).not.toContain(SECRET);
  });
});

describe('an attempt whose answer was lost', () => {
  /** An earlier attempt began, and its worker died. */
  const lost = async (): Promise<DeliverInput> => {
    const input = await page();
    await beginAttempt(ledger, {
      incident: input.incident,
      target: 'chat',
      channel: 'made',
      out: input.out,
      snapshot: input.snapshot,
    });
    return input;
  };

  it('is looked up where the provider can be asked, and not sent again when it had arrived', async () => {
    const { run, told } = deliveryBy([delivered()], { find: async () => ({ ts: '9' }) });
    expect(await run(await lost())).toEqual({ outcome: 'delivered' });
    expect(told).toEqual([]);
    expect(await one(ledger, 'select ref from threads')).toEqual({ ref: { ts: '9' } });
  });

  it('is sent again when it surely had not arrived, whatever on_ambiguous says', async () => {
    const { run, told } = deliveryBy([delivered()], {
      find: async () => undefined,
      integration: { on_ambiguous: 'drop' },
    });
    expect(await run(await lost())).toEqual({ outcome: 'delivered' });
    expect(told).toHaveLength(1);
  });

  it('is sent once more under the same key where nobody can tell', async () => {
    const { run, told } = deliveryBy([delivered()]);
    const input = await lost();
    expect(await run(input)).toEqual({ outcome: 'delivered' });
    expect(told).toMatchObject([{ delivery: { key: input.out.key, attempt: 2 } }]);
  });

  it('is dropped where nobody can tell and on_ambiguous is drop', async () => {
    const find: Find = async () => {
      throw new Error('the look-up is away');
    };
    const { run, told } = deliveryBy([delivered()], { find, integration: { on_ambiguous: 'drop' } });
    expect(await run(await lost())).toEqual({ outcome: 'failed', dead: true });
    expect(told).toEqual([]);
  });
});

describe('a ledger that is away when the attempt has ended', () => {
  it('makes the workflow tell it later, and the message is not sent again', async () => {
    let isAway = false;
    const leaving: Ledger = {
      ...ledger,
      query: (sql, params) => (isAway ? Promise.reject(new Error('the ledger is away')) : ledger.query(sql, params)),
    };
    // It goes away while the message is on its way.
    const { run, told } = deliveryBy([delivered({ ts: '1' })], {
      ledger: leaving,
      onSend: () => {
        isAway = true;
      },
    });
    const input = await page();
    const ended = await run(input);
    expect(ended).toMatchObject({ outcome: 'unrecorded', ended: { outcome: 'delivered' } });
    isAway = false;
    if (ended.outcome === 'unrecorded') await recordAttempt(ledger, ended.end);
    expect(await deliveryRow()).toMatchObject({ status: 'delivered' });
    expect(await run(input)).toEqual({ outcome: 'delivered' });
    expect(told).toHaveLength(1);
  });
});
