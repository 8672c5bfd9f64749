/** The incident workflow alone, its ledger and its channels being plain functions: what it folds, loads, sends and forgets. */
import { ApplicationFailure, defineSearchAttributeKey } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../workflows/contract.ts';
import { countOf, plain, readable } from '../support/histories.ts';
import { until } from '../support/until.ts';
import { record, type World, world } from '../support/workflow-world.ts';

const SIGNALS_MAX = 500;

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w?.stop());

const ack = { status: 'acknowledged', answer_rev: 1, answer: 'acknowledged' } as const;
const resolve = { status: 'resolved', answer_rev: 2, answer: 'resolved', firing: 0, worst: null } as const;

describe('an incident workflow', () => {
  it('begins with its first batch and has its first task at once; the same batch again changes nothing', async () => {
    const incident = w.incident();
    await incident.batch(1);
    await incident.until('the first page', ({ targets }) => targets.hook?.told?.reason === 'group_now');
    const [started] = plain(await incident.handle.fetchHistory()).events;
    expect(started).toMatchObject({
      eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
      workflowExecutionStartedEventAttributes: { eagerExecutionAccepted: true },
    });
    expect(countOf(await incident.handle.fetchHistory(), 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED')).toBe(0);
    await incident.batch(1);
    await incident.batch(2, resolve);
    expect(await incident.handle.result()).toEqual({ closed: 'resolved' });
    expect(incident.calls.deliver.map(({ out: { reason } }) => reason)).toEqual(['group_now', 'resolved']);
    expect(countOf(await incident.handle.fetchHistory(), 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED')).toBe(2);
    expect(incident.calls.load).toEqual([]);
    // Late: the run has ended, and is not begun again.
    await incident.batch(1);
    expect((await incident.handle.describe()).status.name).toBe('COMPLETED');
    await record('begun-with-its-first-batch', incident.handle);
  });

  it('tells, is acknowledged, ends and closes: one delivery for each, and its state can be asked', async () => {
    const incident = w.incident();
    await incident.batch(1);
    const told = await incident.until('the first page', ({ targets }) => targets.hook?.told?.reason === 'group_now');
    expect(told).toMatchObject({ seen: 1, status: 'open', alerts: 1, worst: 'critical' });
    await incident.batch(2, ack);
    await incident.until('the ack to be told', ({ targets }) => targets.hook?.told?.reason === 'acknowledged');
    await incident.batch(3, resolve);
    expect(await incident.handle.result()).toEqual({ closed: 'resolved' });
    expect(incident.calls.deliver.map(({ out: { reason } }) => reason)).toEqual([
      'group_now',
      'acknowledged',
      'resolved',
    ]);
    expect(incident.calls.deliver.map(({ out: { key } }) => key.split('/')[2])).toEqual(['a0-b1-0', 'a1', 'a2']);
    expect(incident.calls.close).toEqual([3]);
    expect(incident.calls.load, 'batch 1 of a new incident needs no load').toEqual([]);
    await record('told-acknowledged-resolved', incident.handle);
  });

  it('drops a batch it has folded: doubled signals change nothing', async () => {
    const incident = w.incident();
    await incident.batch(1);
    await incident.batch(2, { alerts: 5 });
    await incident.batch(1);
    await incident.batch(2, { alerts: 5 });
    await incident.batch(3, { alerts: 6 });
    expect(await incident.until('batch 3', ({ seen }) => seen === 3)).toMatchObject({ alerts: 6 });
    await incident.until('the page', ({ targets }) => targets.hook?.told !== undefined);
    expect(incident.calls.load).toEqual([]);
    expect(incident.calls.deliver).toHaveLength(1);
    await incident.handle.terminate();
  });

  it('loads on a gap, and goes on with what the ledger has', async () => {
    const incident = w.incident(
      {},
      { load: () => ({ outcome: 'loaded', incident: incident.inLedger([[1], [2, ack], [3, ack]]) }) },
    );
    await incident.batch(1);
    await incident.until('the page', ({ targets }) => targets.hook?.told !== undefined);
    await incident.batch(3, ack);
    expect(await incident.until('the load', ({ seen }) => seen === 3)).toMatchObject({ status: 'acknowledged' });
    expect(incident.calls.load).toMatchObject([{ epoch: 'epoch-1', seen: 1, answer_rev: 0 }]);
    await incident.batch(4, resolve);
    await incident.handle.result();
    await record('gap-loaded', incident.handle);
  });

  it('loads when a batch comes from a ledger it does not know', async () => {
    const incident = w.incident(
      {},
      { load: () => ({ outcome: 'loaded', incident: { ...incident.inLedger([[1], [2]]), epoch: 'epoch-2' } }) },
    );
    await incident.batch(1);
    await incident.until('batch 1', ({ seen }) => seen === 1);
    await incident.batch(2, { epoch: 'epoch-2' });
    expect(await incident.until('the load', ({ seen }) => seen === 2)).toMatchObject({ epoch: 'epoch-2' });
    await incident.batch(3, { epoch: 'epoch-2', alerts: 9 });
    await incident.until('what follows in the new ledger', ({ alerts }) => alerts === 9);
    expect(incident.calls.load).toHaveLength(1);
    await incident.handle.terminate();
  });

  it('loads when its first batch is not batch 1: an earlier run of it was lost', async () => {
    const incident = w.incident(
      {},
      { load: () => ({ outcome: 'loaded', incident: incident.inLedger([[1], [2], [3, ack], [4, ack]]) }) },
    );
    await incident.batch(4, ack);
    await incident.until('the load', ({ seen }) => seen === 4);
    expect(incident.calls.load).toMatchObject([{ seen: 0 }]);
    await incident.handle.terminate();
  });

  it('of an incident that is closed already ends silently, whoever called it back', async () => {
    const nudged = w.incident({}, { load: () => ({ outcome: 'closed' }) });
    await nudged.nudge();
    expect(await nudged.handle.result()).toEqual({ closed: 'closed elsewhere' });
    expect(nudged.calls.deliver).toEqual([]);
    await record('zombie', nudged.handle);

    const sending = w.incident({}, { deliver: async () => ({ outcome: 'closed' }) });
    await sending.batch(1);
    expect(await sending.handle.result()).toEqual({ closed: 'closed elsewhere' });
    expect(sending.calls.close).toEqual([]);
    await expect(sending.batch(2), 'a late signal starts nothing').resolves.toBeUndefined();
    expect((await sending.handle.describe()).status.name).toBe('COMPLETED');
  });

  it('does not close over rows it has not seen: it waits for their batch', async () => {
    const incident = w.incident({}, { close: (seen) => (seen < 3 ? 'more' : 'closed') });
    await incident.batch(1);
    await incident.until('the page', ({ targets }) => targets.hook?.told !== undefined);
    await incident.batch(2, { ...resolve, answer_rev: 1 });
    await until('the refused close', () => (incident.calls.close.length > 0 ? true : undefined));
    await incident.batch(3, { ...resolve, answer_rev: 1 });
    await incident.handle.result();
    expect(incident.calls.close).toEqual([2, 3]);
  });

  it(`continues as new after ${SIGNALS_MAX} signals, and none of them is lost`, async () => {
    const incident = w.incident();
    const last = SIGNALS_MAX + 20;
    for (let number = 1; number <= last; number++) await incident.batch(number);
    await incident.until('the last batch', ({ seen }) => seen === last);
    expect(incident.calls.load).toEqual([]);
    expect(incident.calls.deliver.map(({ out: { reason } }) => reason)).toEqual(['group_now']);
    await until('the first run to be listed as continued', async () => {
      const names: string[] = [];
      for await (const { status } of w.client.workflow.list({ query: `WorkflowId = "${incident.id}"` }))
        names.push(status.name);
      return names.includes('CONTINUED_AS_NEW') && names.includes('RUNNING') ? true : undefined;
    });
    await incident.batch(last + 1, resolve);
    expect(await incident.handle.result()).toEqual({ closed: 'resolved' });
    await record('after-continue-as-new', w.client.workflow.getHandle(incident.id));
  });
});

describe('its timer', () => {
  it('is one: batches that move no deadline arm none, an earlier deadline replaces it', async () => {
    const incident = w.incident({
      group_now: [],
      levels: [{ notify: ['hook'], wait_ms: 60_000 }],
      ack_timeout_ms: 30_000,
    });
    for (let number = 1; number <= 5; number++) {
      await incident.batch(number);
      await incident.until(`batch ${number}`, ({ seen }) => seen === number);
    }
    const timers = async () => {
      const history = await incident.handle.fetchHistory();
      return [countOf(history, 'EVENT_TYPE_TIMER_STARTED'), countOf(history, 'EVENT_TYPE_TIMER_CANCELED')];
    };
    expect(await timers()).toEqual([1, 0]);
    await incident.batch(6, ack);
    await until('the earlier timer', async () => ((await timers())[0] === 2 ? true : undefined));
    expect(await timers()).toEqual([2, 1]);
    await incident.handle.terminate();
  });

  it('fires: the escalation goes on by itself, and a forgotten ack asks the ledger before it pages', async () => {
    const levels = [
      { notify: ['hook'], wait_ms: 300 },
      { notify: ['pager'], wait_ms: 3_600_000 },
    ];
    const incident = w.incident({ levels, ack_timeout_ms: 400 });
    await incident.batch(1);
    await incident.until('level 2', ({ targets }) => targets.pager?.told?.reason === 'escalated');
    await incident.batch(2, { ...ack, answered_at: Date.now() });
    await incident.until('the page anew', ({ targets }) => targets.hook?.told?.reason === 'ack_timed_out');
    expect(incident.calls.answer).toMatchObject([{ expected_rev: 1, answer: 'ack_timed_out' }]);
    await incident.batch(3, { ...resolve, answer_rev: 3 });
    await incident.handle.result();
    await record('escalated-and-forgotten', incident.handle);
  });
});

describe('a delivery that does not go well', () => {
  it('is a failed round where its activity fails: the backup is told, and another round follows', async () => {
    let failures = 0;
    const incident = w.incident(
      { failover: { hook: { to: 'backup', after_ms: 200, only: [] } } },
      {
        deliver: async ({ target }) => {
          if (target !== 'hook' || failures++ > 0) return { outcome: 'delivered' };
          throw ApplicationFailure.nonRetryable('not delivered: server', 'server');
        },
      },
    );
    await incident.batch(1);
    const state = await incident.until('the backup', ({ targets }) => targets.backup?.told?.reason === 'failover');
    expect(state.targets.hook?.current).toMatchObject({ round: 1, failed_over: true, running: false });
    // The next round is a minute away: waited for only to have it in the history.
    if (process.env.RECORD)
      await until('the second round', async () => (await incident.state()).targets.hook?.told, 90_000);
    await incident.batch(2, { ...resolve, answer_rev: 1 });
    expect(await incident.handle.result()).toEqual({ closed: 'resolved' });
    expect(
      incident.calls.deliver
        .filter(({ out: { reason } }) => reason === 'resolved')
        .map(({ target }) => target)
        .sort(),
    ).toEqual(['backup', 'hook']);
    await record('failed-and-failed-over', incident.handle);
  }, 120_000);

  it('is recorded by the workflow where the activity could not, before anything else is told there', async () => {
    const end = { target: 'hook', delivery: 'its/key', attempt: 1, status: 'delivered', counted: true } as const;
    const incident = w.incident(
      {},
      {
        deliver: async ({ incident, out: { reason } }) =>
          reason === 'group_now'
            ? { outcome: 'unrecorded', ended: { outcome: 'delivered' }, end: { ...end, incident } }
            : { outcome: 'delivered' },
      },
    );
    await incident.batch(1);
    await incident.until('the record', ({ targets }) => targets.hook?.told?.reason === 'group_now');
    expect(incident.calls.record).toEqual([{ ...end, incident: incident.id }]);
    await incident.batch(2, { ...resolve, answer_rev: 1 });
    await incident.handle.result();
    await record('unrecorded', incident.handle);
  });
});

describe('answers that are taken back', () => {
  it('page anew: a snooze that ends, an acknowledgement that is withdrawn', async () => {
    const incident = w.incident();
    const heard = (reason: string) =>
      incident.until(`the word ${reason}`, ({ targets }) => targets.hook?.told?.reason === reason);
    await incident.batch(1);
    await heard('group_now');
    await incident.batch(2, { status: 'snoozed', answer: 'snoozed', answer_rev: 1, snoozed_until: Date.now() + 500 });
    await heard('snooze_ended');
    expect(incident.calls.answer).toMatchObject([{ expected_rev: 1, answer: 'snooze_ended' }]);
    await incident.batch(3, { ...ack, answer_rev: 3 });
    await heard('acknowledged');
    await incident.batch(4, { status: 'open', answer: 'unacknowledged', answer_rev: 4 });
    await heard('unacknowledged');
    await incident.batch(5, { ...resolve, answer_rev: 5 });
    await incident.handle.result();
    const reasons = incident.calls.deliver.map(({ out: { reason } }) => reason);
    expect(reasons).toEqual(['group_now', 'snoozed', 'snooze_ended', 'acknowledged', 'unacknowledged', 'resolved']);
    await record('snoozed-and-taken-back', incident.handle);
  });
});

describe('a story', () => {
  it('is told chapter by chapter, and ends with its last', async () => {
    const incident = w.incident({ lifecycle: 'job', levels: [] });
    const heard = (seq: number) => incident.until(`chapter ${seq}`, ({ targets }) => targets.hook?.chapter === seq);
    await incident.batch(1, { chapters: [[1, 1]] });
    await heard(1);
    await incident.batch(2, {
      through: 3,
      chapters: [
        [2, 2],
        [3, 3],
      ],
    });
    await heard(3);
    await incident.batch(3, { ...resolve, answer_rev: 1, through: 4, chapters: [[4, 4]] });
    expect(await incident.handle.result()).toEqual({ closed: 'resolved' });
    const told = incident.calls.deliver.map(({ out: { reason, from, through } }) => [reason, from, through]);
    expect(told).toEqual([1, 2, 3, 4].map((seq) => ['story', seq, seq]));
    await record('story', incident.handle);
  });
});

describe('what an engineer sees of it', () => {
  it('search attributes follow its state; summary and details tell the story without a title', async () => {
    const incident = w.incident();
    await incident.batch(1);
    await incident.until('the page', ({ targets }) => targets.hook?.told !== undefined);
    await incident.batch(2, ack);
    await incident.until('the ack', ({ targets }) => targets.hook?.told?.reason === 'acknowledged');
    const attribute = (name: string) => defineSearchAttributeKey(name, 'KEYWORD');
    const shown = await until('the search attributes', async () => {
      const { typedSearchAttributes, staticSummary } = await incident.handle.describe();
      const status = typedSearchAttributes.get(attribute(SEARCH_ATTRIBUTES.status));
      return status === 'acknowledged' ? { typedSearchAttributes, summary: await staticSummary() } : undefined;
    });
    expect(shown.typedSearchAttributes.get(attribute(SEARCH_ATTRIBUTES.severity))).toBe('critical');
    expect(shown.typedSearchAttributes.get(attribute(SEARCH_ATTRIBUTES.service))).toBe('checkout');
    expect(shown.typedSearchAttributes.get(attribute(SEARCH_ATTRIBUTES.route))).toBe('tests');
    expect(shown.summary).toBe('critical · checkout · route tests · from tests');
    const { currentDetails } = await incident.handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
    expect(currentDetails).toMatch(/^\*\*acknowledged\*\*, worst critical, 1 firing/);
    expect(currentDetails).toMatch(/batch 1: 1 fired/);
    expect(currentDetails).toMatch(/hook: group_now delivered/);
    await incident.handle.terminate();
  });

  it('a name that is no plain word is made one before Temporal sees it', async () => {
    const incident = w.incident();
    await w.carrier.nudge({ ...incident.opening, service: 'pay ments/<b>', source: 'a b' });
    const { typedSearchAttributes, staticSummary } = await incident.handle.describe();
    expect(typedSearchAttributes.get(defineSearchAttributeKey(SEARCH_ATTRIBUTES.service, 'KEYWORD'))).toBe(
      'pay_ments_b_',
    );
    expect(await staticSummary()).toContain('from a_b');
    expect(readable(await incident.handle.fetchHistory()), 'nor does the input hold it').not.toContain('ments/<b>');
    await incident.handle.terminate();
  });
});
