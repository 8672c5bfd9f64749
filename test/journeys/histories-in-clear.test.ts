/** What somebody with access to Temporal alone can read: the histories of everything Tocsin does, with tell-tales in all it was told. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { FAILURES } from '../../src/channels/channel.ts';
import { SEVERITIES } from '../../src/core/event.ts';
import { INCIDENT_STATUSES, REASONS } from '../../src/core/notice.ts';
import { renewEpoch } from '../../src/ledger/migrate.ts';
import type { DeliveryView } from '../../src/ledger/views.ts';
import { DAILY_SUMMARY, INCIDENT, NUDGE, SEND_ONE } from '../../workflows/contract.ts';
import * as workflows from '../../workflows/index.ts';
import { type Harness, harness } from '../support/harness.ts';
import { type History, plain, readable, spoken } from '../support/histories.ts';
import { ownNamespace } from '../support/namespace.ts';
import { until } from '../support/until.ts';

/** Stands in everything a sender, an operator, a vendor or a setting of a channel says. Letters alone: so are Slack's words. */
const TELL_TALE = `tt${[...randomBytes(16)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('')}`;
const tale = (field: string): string => `${field} of <${TELL_TALE}>`;
/** Service and source may be read, as plain words. */
const SERVICE = { said: 'pay ments/<eu>', shown: 'pay_ments_eu_' };
const SOURCE = { said: 'the <shop> itself', shown: 'the_shop_itself' };
const DATE = '2026-01-14';
/** Failing vendors are asked again after some seconds, as the product does it. */
const LONG_MS = 60_000;

const CONFIG = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#${TELL_TALE}', backoff: 200ms }
  plain: { type: slack-webhook, url: '<SLACK_WEBHOOK>' }
  hook: { type: webhook, url: '<HOOK>/${TELL_TALE}', secret: '<HOOK_SECRET>', backoff: 200ms }
  second: { type: webhook, url: '<HOOK>/second-${TELL_TALE}', secret: '<HOOK_SECRET>' }
  mail: { type: email, host: 127.0.0.1, port: <SMTP_PORT>, tls: none, from: 'from-${TELL_TALE}@example.com', to: ['to-${TELL_TALE}@example.com', 'gone-${TELL_TALE}@example.com'] }
  pages: { type: notion, token: '<NOTION_TOKEN>', database_id: '<NOTION_DB>', base_url: '<NOTION>' }
escalations:
  on-call: { levels: [ { notify: [chat], wait: 1s }, { notify: [second], wait: 1h } ] }
routes:
  - { name: telling, match: [ 'type=~"outage.*"' ], group_by: [service], notify: [chat, plain, hook, mail], escalate: on-call }
  - { name: jobs, match: [ 'type=~"job_.*"' ], lifecycle: job, notify: [hook, mail] }
default: { notify: [] }
summaries:
  - { name: daily, at: '18:00', timezone: Asia/Seoul, notion: pages, notify: [hook], facts: [pnl] }
links: { grafana: 'https://grafana.example.com/${TELL_TALE}' }
public_url: 'https://${TELL_TALE}.example.com'
egress: { allow: ['127.0.0.0/8'] }
`;

const event = (type: string, more: Record<string, unknown> = {}) => ({
  ...{
    type,
    source: SOURCE.said,
    service: SERVICE.said,
    severity: 'critical',
    title: tale('title'),
    body: tale('body'),
  },
  ...{ id: tale('id'), dedup_key: tale('dedup'), components: [tale('component')], assignees: [tale('assignee')] },
  ...{ labels: { host: tale('label'), [`label-${TELL_TALE}`]: 'x', job: tale('job'), pnl: tale('fact') } },
  ...{ links: [{ title: tale('link'), url: `https://example.com/${TELL_TALE}` }], context: { any: tale('context') } },
  ...{ trace_id: tale('trace'), request_id: tale('request') },
  ...more,
});
const echo = { status: 500, text: tale('echo'), json: { error: tale('echo'), message: tale('echo') } };

let h: Harness;
const histories: { workflow: string; type: string; history: History }[] = [];

beforeAll(async () => {
  h = await harness({ config: CONFIG, namespace: await ownNamespace() });
  try {
    await theAlarm();
    await theJob();
    await theSends();
    await theSummary();
    await readAll();
  } finally {
    vi.restoreAllMocks();
  }
}, 3 * LONG_MS);
afterAll(() => h?.stop());

const told = (reason: string, path = `/${TELL_TALE}`) =>
  h.hook.expects(new RegExp(`^${path} .*"type":"incident.${reason}"`), LONG_MS);

/** Paged, refused, echoed, lost, escalated, commented, answered in every way, resolved. */
async function theAlarm(): Promise<void> {
  h.fakes.hook.script([{ ...echo, path: TELL_TALE }]);
  h.fakes.slack.script([
    { ...echo, path: 'chat.postMessage' },
    { json: { ok: false, error: `word_${TELL_TALE}` }, path: 'chat.postMessage' },
  ]);
  h.fakes.smtp.script([{ rcpt: { [`gone-${TELL_TALE}@example.com`]: 550 } }]);
  loseTheRecordOf('/mail');
  await h.post(event('outage'));
  await told('group_now');
  await told('escalated', `/second-${TELL_TALE}`);
  const { id } = await h.incidentOf(SERVICE.said);
  const ends = (target: string, status: DeliveryView['status']) =>
    h.delivery((one) => one.incident === id && one.target === target && one.status === status);
  await Promise.all([ends('chat', 'dead'), ends('mail', 'sent'), ends('plain', 'delivered')]);
  await h.comment(id, tale('comment'));
  await loadFromAnotherLedger(id);
  await h.post(event(`outage ${TELL_TALE}`, { id: tale('another'), dedup_key: tale('another') }));
  await h.ack(id, tale('person'));
  await told('acknowledged');
  await h.unack(id, tale('person'));
  await told('unacknowledged');
  await h.snooze(id, 1_000);
  await told('snooze_ended');
  await h.resolve(id, tale('person'));
  await told('resolved');
  await h.closed(id);
}

/** As after a start that was not clean: a workflow that meets another epoch takes its whole state from the ledger. */
async function loadFromAnotherLedger(id: string): Promise<void> {
  const epoch = await h.ledger.transaction(renewEpoch);
  await h.temporal.workflow.getHandle(id).signal(NUDGE);
  await until('the state of the other ledger', async () => (await h.state(id)).epoch === epoch || undefined, LONG_MS);
}

async function theJob(): Promise<void> {
  await h.post(event('job_started', { id: tale('job 1'), severity: 'info' }));
  await told('story');
  await h.post(event('job_completed', { id: tale('job 2'), severity: 'info' }));
  await told('story');
  const { id } = await h.waitForIncident(({ lifecycle }) => lifecycle === 'job');
  await h.closed(id);
}

/** A test that goes well, one that does not, and a redelivery that is tried twice. */
async function theSends(): Promise<void> {
  await h.call('POST', '/v1/integrations/mail/test');
  h.fakes.hook.script([{ ...echo, path: TELL_TALE }]);
  await h.call('POST', '/v1/integrations/hook/test');
  h.fakes.slack.script([{ ...echo, path: 'chat.postMessage' }]);
  const dead = await h.delivery(({ target, status }) => target === 'chat' && status === 'dead');
  await h.call('POST', `/v1/deliveries/${dead.id}/redeliver`);
  await until(
    'the redelivery',
    async () => {
      const [open] = await h.ledger.query('select id from sends where ended_at is null');
      return open === undefined || undefined;
    },
    LONG_MS,
  );
}

async function theSummary(): Promise<void> {
  h.fakes.notion.script([echo]);
  h.fakes.hook.script([{ ...echo, path: TELL_TALE }]);
  await h.call('POST', `/v1/summaries/${DATE}/run`);
  await told('summary');
}

/** The ledger refuses to record how the first delivery to this target ended, until the workflow has asked for it once more. */
function loseTheRecordOf(target: string): void {
  const { query } = h.ledger;
  let refused = 0;
  vi.spyOn(h.ledger, 'query').mockImplementation(async (sql, params) => {
    const isOf = params?.some((value) => typeof value === 'string' && value.endsWith(target));
    if (sql.includes('update attempts set ended_at') && isOf && refused < 4) {
      refused++;
      throw new Error(tale('ledger'));
    }
    return query(sql, params) as never;
  });
}

async function readAll(): Promise<void> {
  const ended = await until(
    'every workflow to be listed as ended',
    async () => {
      const all: { workflowId: string; type: string; status: { name: string } }[] = [];
      for await (const one of h.temporal.workflow.list()) all.push(one);
      return all.every(({ status }) => status.name !== 'RUNNING') && all.length >= 6 ? all : undefined;
    },
    LONG_MS,
  );
  for (const { workflowId, type } of ended)
    histories.push({
      workflow: workflowId,
      type,
      history: await h.temporal.workflow.getHandle(workflowId).fetchHistory(),
    });
  const scheduler = `temporal-sys-scheduler:${h.taskQueue}-summary-daily`;
  histories.push({
    workflow: scheduler,
    type: 'scheduler',
    history: await h.temporal.workflow.getHandle(scheduler).fetchHistory(),
  });
}

const typesOf = (all: typeof histories): string[] => [...new Set(all.map(({ type }) => type))];
const failuresIn = (type: string): number =>
  histories.filter((one) => one.type === type).flatMap(({ history }) => spoken(history).failures).length;

describe('the histories of everything', () => {
  it('are of every type of workflow there is, and failures stand in each', () => {
    expect(typesOf(histories)).toEqual(expect.arrayContaining(Object.keys(workflows)));
    for (const type of [INCIDENT, SEND_ONE, DAILY_SUMMARY]) expect(failuresIn(type), type).toBeGreaterThan(0);
  });

  it('hold nothing that a sender, an operator, a vendor or the ledger has said', () => {
    const telling = histories.flatMap(({ workflow, history }) =>
      plain(history)
        .events.map((one) => ({ workflow, ...one, text: readable({ events: [one] } as unknown as History) }))
        .filter(({ text }) => text.includes(TELL_TALE) || text.includes(SERVICE.said) || text.includes(SOURCE.said)),
    );
    expect(telling.map(({ workflow, eventType, text }) => `${workflow} ${eventType} ${text}`)).toEqual([]);
  });

  it('hold no secret and no address of a channel', () => {
    const { slack, notion, hook } = h.fakes;
    const secrets = [slack.token, new URL(slack.webhookUrl()).pathname, notion.token, notion.databaseId, hook.secret];
    const text = histories.map(({ history }) => readable(history)).join('\n');
    for (const secret of [...secrets, 'example.com', hook.url, notion.url, slack.apiUrl]) {
      expect(secret).toBeTruthy();
      expect(text).not.toContain(secret);
    }
  });

  it('say in their payloads nothing but words of ours, names of the configuration, and what may stand in clear', () => {
    const known = new Set<string>([
      ...SEVERITIES,
      ...INCIDENT_STATUSES,
      ...Object.keys(REASONS),
      ...FAILURES,
      // Of the configuration: integrations, routes, the summary, the label of a story.
      ...['chat', 'plain', 'hook', 'second', 'mail', 'pages', 'telling', 'jobs', 'daily', 'job'],
      // Kinds of inbox rows, outcomes, and why an incident is closed.
      'the snooze has ended',
      ...['fired', 'chapter', 'comment', 'ack', 'unack', 'snooze', 'resolve'],
      ...['delivered', 'skipped', 'failed', 'stale', 'closed', 'more', 'done', 'heard', 'collected', 'unrecorded'],
      // What a load finds; all but the first only where a run was slower than its signals.
      ...['loaded', 'current', 'closed elsewhere', 'dead', 'retrying'],
      ...[SERVICE.shown, SOURCE.shown, DATE],
    ]);
    const shapes = [
      /^J[0-9a-f]{8}-\d+$/, // an incident's id
      /^J[0-9a-f]{8}-\d+\/[a-z_]+\/[a-z0-9-]+\/[a-z]+$/, // a delivery's key
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, // the ledger's epoch
    ];
    const strange = histories
      .filter(({ type }) => type !== 'scheduler')
      .flatMap(({ type, history }) => spoken(history).words.map((word) => ({ type, word })))
      .filter(({ word }) => !known.has(word) && !shapes.some((shape) => shape.test(word)));
    expect([...new Set(strange.map(({ type, word }) => `${type}: ${word}`))]).toEqual([]);
  });

  it('hold a whole state that was loaded', () => {
    expect(histories.flatMap(({ history }) => spoken(history).words)).toContain('loaded');
  });

  it('name failures by their kind alone, and summaries by names that may be read', () => {
    const all = histories.flatMap(({ history }) => spoken(history));
    const failures = new Set(all.flatMap(({ failures }) => failures));
    const words = new RegExp(
      `^(ApplicationFailure: )?(not delivered: (${FAILURES.join('|')})|record met something unforeseen \\(Error\\); the log has all of it)$`,
    );
    expect([...failures].filter((one) => !words.test(one))).toEqual([]);
    expect(failures.size).toBeGreaterThan(1);
    const summaries = new Set(all.flatMap(({ summaries }) => summaries));
    const shown = [
      /^critical · pay_ments_eu_ · route telling · from the_shop_itself$/,
      /^info · pay_ments_eu_ · route jobs · from the_shop_itself$/,
      /^[a-z_]+ → (chat|plain|hook|second|mail)$/,
      /^until [a-z_ ]+( \(level \d\))?$/,
      /^(test|check|redeliver|redelivery) of (mail|hook|chat)$/,
      /^summary daily(, by hand|, daily at 18:00 Asia\/Seoul)$/,
    ];
    expect([...summaries].filter((one) => !shown.some((shape) => shape.test(one)))).toEqual([]);
  });
});
