import { describe, expect, it } from 'vitest';
import { openIncident } from '../../src/core/incident.ts';
import { nextDeadline, nextStep } from '../../src/core/plan.ts';
import { HOUR, MINUTE, policy, SECOND } from '../support/policies.ts';
import { DEAD, DELIVERED, FAILED, type Fate, START, walk } from './walk.ts';

const onCall = {
  levels: [
    { notify: ['phone'], wait_ms: 5 * MINUTE },
    { notify: ['mail'], wait_ms: 10 * MINUTE },
  ],
  repeat: 1,
};
const minutes = (at: number): number => (at - START) / MINUTE;

describe('the group is told', () => {
  it('at once for a severity in group_now', () => {
    expect(walk().fires('critical').told).toEqual(['group_now chat']);
  });

  it('when group_wait has passed since it opened, and not before', () => {
    const incident = walk().fires('warning');
    expect(incident.passes(5 * MINUTE - 1).told).toEqual([]);
    expect(incident.passes(1).told).toEqual(['group_wait chat']);
  });

  it('as soon as it has group_count alerts', () => {
    const incident = walk().fires('warning', 'warning');
    expect(incident.told).toEqual([]);
    expect(incident.fires('warning').told).toEqual(['group_count chat']);
  });

  it('at once when a waiting group turns critical', () => {
    expect(walk().fires('warning').fires('critical').told).toEqual(['group_now chat']);
  });

  it('of further alerts once group_interval has passed since it was told', () => {
    const incident = walk().fires('critical').passes(MINUTE).fires('critical');
    expect(incident.passes(4 * MINUTE - 1).told).toEqual(['group_now chat']);
    expect(incident.passes(1).told).toEqual(['group_now chat', 'group_interval chat']);
  });

  it('again after repeat_interval while nothing new comes', () => {
    const incident = walk()
      .fires('critical')
      .passes(4 * HOUR - 1);
    expect(incident.told).toEqual(['group_now chat']);
    expect(incident.passes(1).told.at(-1)).toBe('repeat_interval chat');
    expect(incident.passes(4 * HOUR).told).toHaveLength(3);
  });

  it('at once when the worst severity rises, and only then', () => {
    const incident = walk({ group_count: 1 }).fires('warning');
    expect(incident.fires('warning').told).toEqual(['group_count chat']);
    expect(incident.fires('error').told.at(-1)).toBe('severity_rose chat');
  });

  it('that it fired again after it had been resolved', () => {
    const incident = walk({}, (_, out) => (out.reason === 'resolved' ? 'hangs' : DELIVERED))
      .fires('critical')
      .ends();
    expect(incident.fires('critical').ended('chat', DELIVERED).told).toEqual([
      'group_now chat',
      'resolved chat',
      'fired_again chat',
    ]);
  });

  it('never again by the same clock when it has been told of everything and repeats are far away', () => {
    const incident = walk().fires('critical').passes(HOUR);
    expect(incident.told).toEqual(['group_now chat']);
    expect(nextDeadline(incident.state, incident.now)).toBe(START + 4 * HOUR);
  });

  it('names nobody when nobody is configured, without asking for it again and again', () => {
    const incident = walk({ notify: [] }).fires('critical').passes(HOUR);
    expect(incident.told).toEqual([]);
    expect(incident.tellings).toMatchObject([{ reason: 'group_now', targets: [] }]);
  });
});

describe('escalation', () => {
  it('pages level 1 together with the group, and a target named by both only once', () => {
    expect(walk({ ...onCall, notify: ['chat', 'phone'] }).fires('critical').told).toEqual([
      'group_now L1 chat',
      'group_now L1 phone',
    ]);
  });

  it('goes on to the next level when nobody has answered for its wait', () => {
    const incident = walk(onCall).fires('critical');
    expect(incident.passes(5 * MINUTE - 1).told).toHaveLength(2);
    expect(incident.passes(1).told.at(-1)).toBe('escalated L2 mail');
  });

  it('repeats n more rounds through the levels, then rests', () => {
    const incident = walk(onCall)
      .fires('critical')
      .passes(3 * HOUR);
    expect(
      incident.sent.filter(({ reason }) => reason === 'escalated').map(({ at, level }) => [minutes(at), level]),
    ).toEqual([
      [5, 2],
      [15, 1],
      [20, 2],
    ]);
  });

  it('rests after the last level at once when repeat is 0', () => {
    const incident = walk({ ...onCall, repeat: 0 })
      .fires('critical')
      .passes(3 * HOUR);
    expect(incident.sent.filter(({ reason }) => reason === 'escalated').map(({ level }) => level)).toEqual([2]);
  });

  it('of a single level repeats that level', () => {
    const incident = walk({ levels: [{ notify: ['phone'], wait_ms: 5 * MINUTE }], repeat: 2 })
      .fires('critical')
      .passes(3 * HOUR);
    expect(
      incident.sent.filter(({ reason }) => reason === 'escalated').map(({ at, level }) => [minutes(at), level]),
    ).toEqual([
      [5, 1],
      [10, 1],
    ]);
  });

  it('stops at an acknowledgement', () => {
    const incident = walk(onCall).fires('critical').passes(MINUTE).acks();
    expect(incident.passes(3 * HOUR).told).toEqual([
      'group_now L1 chat',
      'group_now L1 phone',
      'acknowledged chat',
      'acknowledged phone',
    ]);
  });

  it('by hand pages the level asked for, or the next where none is named', () => {
    expect(walk(onCall).fires('critical').escalates(2).told.at(-1)).toBe('escalated_by_hand L2 mail');
    expect(walk(onCall).fires('critical').escalates().told.at(-1)).toBe('escalated_by_hand L2 mail');
  });

  it('by hand never goes beyond the last level', () => {
    expect(walk(onCall).fires('critical').escalates().escalates().escalates().sent.at(-1)).toMatchObject({ level: 2 });
  });

  it('by hand restarts the wait of the level it went to', () => {
    const incident = walk(onCall)
      .fires('critical')
      .passes(4 * MINUTE)
      .escalates(1);
    incident.forget();
    expect(incident.passes(5 * MINUTE - 1).told).toEqual([]);
    expect(incident.passes(1).told).toEqual(['escalated L2 mail']);
  });

  it('back to level 1 by hand pages level 2 anew when nobody answers, as a page of its own', () => {
    const incident = walk(onCall)
      .fires('critical')
      .passes(6 * MINUTE)
      .escalates(1)
      .passes(5 * MINUTE);
    const pages = incident.sent.filter(({ reason, level }) => reason === 'escalated' && level === 2);
    expect(pages).toHaveLength(2);
    expect(new Set(pages.map(({ key }) => key)).size).toBe(2);
  });

  it('by hand before the group was told leaves the group to be told in its time', () => {
    const incident = walk({ ...onCall, group_wait_ms: 5 * MINUTE })
      .fires('warning')
      .escalates(2);
    expect(incident.told).toEqual(['escalated_by_hand L2 mail']);
    expect(incident.passes(5 * MINUTE).told).toEqual([
      'escalated_by_hand L2 mail',
      'group_wait L1 chat',
      'group_wait L1 phone',
    ]);
  });

  it('by hand before the group was told is told the end of as well', () => {
    const incident = walk({ ...onCall })
      .fires('warning')
      .escalates(2)
      .ends();
    expect(incident.told.sort()).toEqual(['escalated_by_hand L2 mail', 'resolved chat', 'resolved mail']);
  });

  it('by hand of a policy without levels pages nobody', () => {
    expect(walk().fires('critical').escalates(1).told).toEqual(['group_now chat']);
  });
});

describe('an answer', () => {
  it.each(['acknowledged', 'snoozed'] as const)('%s is told once to everyone who was told', (status) => {
    const incident = walk(onCall).fires('critical');
    incident.forget();
    incident.answers(status, status, { snoozed_until: incident.now + 2 * HOUR });
    expect(incident.passes(HOUR).told).toEqual([`${status} chat`, `${status} phone`]);
  });

  it('is told to nobody where the policy says so', () => {
    expect(walk({ tell_ack: false }).fires('critical').acks().told).toEqual(['group_now chat']);
    const incident = walk({ tell_resolved: false }).fires('critical').ends();
    expect(incident.told).toEqual(['group_now chat']);
    expect(incident.closed).toBe('resolved');
  });

  it('given before anyone was told is told to nobody, and nobody is paged while it stands', () => {
    expect(walk().fires('warning').acks().passes(HOUR).told).toEqual([]);
  });

  it('taken back pages level 1 and tells everyone who was told, under a new answer_rev', () => {
    const incident = walk(onCall)
      .fires('critical')
      .passes(5 * MINUTE)
      .acks();
    incident.forget();
    incident.answers('open', 'unacknowledged');
    expect(incident.told.sort()).toEqual([
      'unacknowledged L1 chat',
      'unacknowledged L1 mail',
      'unacknowledged L1 phone',
    ]);
    expect(incident.sent.every(({ out }) => out.answer_rev === 2)).toBe(true);
  });

  it('taken back begins the escalation again from level 1', () => {
    const incident = walk(onCall)
      .fires('critical')
      .passes(5 * MINUTE)
      .acks()
      .answers('open', 'unacknowledged');
    incident.forget();
    expect(incident.passes(5 * MINUTE).told).toEqual(['escalated L2 mail']);
  });

  it('put off by a snooze pages level 1 again when the snooze ends, and not before', () => {
    const incident = walk(onCall).fires('critical');
    incident.answers('snoozed', 'snoozed', { snoozed_until: START + HOUR });
    incident.forget();
    expect(incident.passes(HOUR - 1).told).toEqual([]);
    expect(incident.passes(1).told).toEqual(['snooze_ended L1 chat', 'snooze_ended L1 phone']);
    expect(incident.sent.every(({ out }) => out.answer_rev === 2)).toBe(true);
  });

  it('of an acknowledgement is forgotten after ack_timeout, which pages level 1 again', () => {
    const incident = walk({ ...onCall, ack_timeout_ms: 30 * MINUTE })
      .fires('critical')
      .acks();
    incident.forget();
    expect(incident.passes(30 * MINUTE - 1).told).toEqual([]);
    expect(incident.passes(1).told).toEqual(['ack_timed_out L1 chat', 'ack_timed_out L1 phone']);
    expect(incident.state.answer_rev).toBe(2);
  });

  it('of an acknowledgement is kept for ever where there is no ack_timeout', () => {
    const incident = walk(onCall).fires('critical').acks();
    incident.forget();
    expect(incident.passes(20 * HOUR).told).toEqual([]);
  });

  it('of an acknowledgement is outgrown when the severity rises above what was acknowledged', () => {
    const incident = walk({ group_count: 1 }).fires('warning').acks();
    incident.forget();
    expect(incident.fires('warning').told).toEqual([]);
    expect(incident.fires('error').told).toEqual(['severity_rose chat']);
    expect(incident.state).toMatchObject({ status: 'open', answer_rev: 2 });
  });

  it('of an acknowledgement is outgrown also by an alert that came after it in the same batch', () => {
    const incident = walk({ group_count: 1 }).fires('warning');
    incident.forget();
    incident.ackedAndThenFired('critical');
    expect(incident.told.filter((line) => !line.startsWith('acknowledged'))).toEqual(['severity_rose chat']);
  });

  it('repeated as a second acknowledgement after an unack is told again, once', () => {
    const incident = walk().fires('critical').acks().answers('open', 'unacknowledged').acks();
    expect(incident.told).toEqual(['group_now chat', 'acknowledged chat', 'unacknowledged chat', 'acknowledged chat']);
  });
});

describe('the end', () => {
  it('is not told to a target that was spared the page', () => {
    const incident = walk({ notify: ['chat', 'mail'] }, (target) =>
      target === 'mail' ? { outcome: 'skipped' } : { outcome: 'delivered' },
    );
    incident.fires('critical').ends();
    expect(incident.told).toEqual(['group_now chat', 'group_now mail', 'resolved chat']);
    expect(incident.closed).toBeDefined();
  });

  it('is told once to everyone who was told, and then the incident closes', () => {
    const incident = walk(onCall)
      .fires('critical')
      .passes(5 * MINUTE);
    incident.forget();
    incident.ends();
    expect(incident.told).toEqual(['resolved chat', 'resolved phone', 'resolved mail']);
    expect(incident.closed).toBe('resolved');
  });

  it('before anyone was told is told as over, so that what was accepted is heard of', () => {
    const incident = walk().fires('warning').passes(MINUTE).ends();
    expect(incident.told).toEqual(['resolved chat']);
    expect(incident.closed).toBe('resolved');
  });

  it('before anyone was told is told even where the end is not wanted', () => {
    expect(walk({ tell_resolved: false }).fires('warning').ends().told).toEqual(['resolved chat']);
  });

  it('before the page of a target began is told to that target as over, whatever is wanted', () => {
    for (const tell_resolved of [true, false]) {
      const incident = walk({ tell_resolved }, (_, { reason }) => (reason === 'group_now' ? 'hangs' : DELIVERED))
        .fires('critical')
        .ends();
      incident.ended('chat', { outcome: 'stale' });
      expect(incident.told).toEqual(['group_now chat', 'resolved chat']);
      expect(incident.closed).toBe('resolved');
    }
  });

  it('is told to whoever may have been paged, though nobody knows it and the page was overtaken by an answer', () => {
    const incident = walk({ levels: [{ notify: ['phone'], wait_ms: HOUR }] }, (name, { reason }) =>
      name === 'phone' && reason === 'group_now' ? 'hangs' : DELIVERED,
    )
      .fires('critical')
      .acks();
    incident.ended('phone', { outcome: 'stale', unsure: true });
    incident.ends();
    expect(incident.told.filter((one) => one.endsWith('phone'))).toEqual([
      'group_now L1 phone',
      'acknowledged phone',
      'resolved phone',
    ]);
  });

  it('waits for the delivery of its own firing, which it never overtakes', () => {
    const incident = walk({}, (_, { reason }) => (reason === 'group_now' ? 'hangs' : DELIVERED))
      .fires('critical')
      .ends();
    expect(incident.told).toEqual(['group_now chat']);
    expect(incident.closed).toBeUndefined();
    incident.ended('chat', DELIVERED);
    expect(incident.told).toEqual(['group_now chat', 'resolved chat']);
    expect(incident.closed).toBe('resolved');
  });

  it('overtakes a page that waits for its next round', () => {
    const incident = walk({}, (_, { reason }) => (reason === 'group_now' ? FAILED : DELIVERED))
      .fires('critical')
      .ends();
    expect(incident.told).toEqual(['group_now chat', 'resolved chat']);
    expect(incident.sent[1]?.out.overtook).toEqual([incident.sent[0]?.key]);
  });

  it('comes by itself when nothing new has come for quiet, and says so', () => {
    const incident = walk({ repeat_interval_ms: 100 * HOUR, quiet_ms: 6 * HOUR })
      .fires('critical')
      .passes(HOUR)
      .fires('critical');
    expect(incident.passes(6 * HOUR - 1).closed).toBeUndefined();
    incident.passes(1);
    expect(incident.told.at(-1)).toBe('resolved chat');
    expect(incident.closed).toBe('resolved');
    expect(incident.state.answer_rev).toBe(1);
  });

  it('comes by quiet also to an acknowledged incident, not to a snoozed one', () => {
    expect(
      walk({ quiet_ms: 6 * HOUR })
        .fires('critical')
        .acks()
        .passes(6 * HOUR).closed,
    ).toBe('resolved');
    const snoozed = walk({ quiet_ms: 6 * HOUR }).fires('critical');
    snoozed.answers('snoozed', 'snoozed', { snoozed_until: START + 10 * HOUR });
    expect(snoozed.passes(7 * HOUR).closed).toBeUndefined();
  });

  it('is reached although a target is dead', () => {
    expect(
      walk({}, () => DEAD)
        .fires('critical')
        .ends().closed,
    ).toBe('resolved');
  });
});

describe('failover', () => {
  const backup = { failover: { chat: { to: 'spare', after_ms: 15 * SECOND, only: [] } } };
  const chatIs =
    (ended: Fate) =>
    (target: string): Fate =>
      target === 'chat' ? ended : DELIVERED;

  it('tells the backup when the delivery has not ended after its time, while the primary goes on', () => {
    const incident = walk(backup, chatIs('hangs')).fires('critical');
    expect(incident.passes(15 * SECOND - 1).told).toEqual(['group_now chat']);
    expect(incident.passes(1).told).toEqual(['group_now chat', 'failover spare']);
    expect(incident.tellings.at(-1)).toMatchObject({ reason: 'failover', instead_of: 'chat' });
    expect(incident.state.targets.chat?.current).toMatchObject({ running: true, failed_over: true });
  });

  it('tells the backup at once after a failed round, and the primary has its further rounds', () => {
    const incident = walk(backup, chatIs(FAILED)).fires('critical');
    expect(incident.told).toEqual(['group_now chat', 'failover spare']);
    expect(incident.passes(MINUTE).told).toEqual(['group_now chat', 'failover spare', 'group_now chat']);
  });

  it('tells the backup at once when the delivery is dead', () => {
    expect(walk(backup, chatIs(DEAD)).fires('critical').told).toEqual(['group_now chat', 'failover spare']);
  });

  it('happens once for each page, and again for the next one', () => {
    const incident = walk(backup, chatIs(DEAD))
      .fires('critical')
      .passes(4 * HOUR);
    const failovers = incident.sent.filter(({ reason }) => reason === 'failover');
    expect(failovers).toHaveLength(2);
    expect(new Set(failovers.map(({ key }) => key)).size).toBe(2);
  });

  it('does not happen for a page that was delivered in time', () => {
    expect(walk(backup).fires('critical').passes(HOUR).told).toEqual(['group_now chat']);
  });

  it('is only for the severities it names', () => {
    const only = {
      group_count: 1,
      failover: { chat: { to: 'spare', after_ms: 15 * SECOND, only: ['critical' as const] } },
    };
    expect(walk(only, chatIs(DEAD)).fires('warning').passes(MINUTE).told).toEqual(['group_count chat']);
    expect(walk(only, chatIs(DEAD)).fires('critical').told).toContain('failover spare');
  });

  it('stops at an answer', () => {
    const incident = walk(backup, chatIs('hangs'))
      .fires('critical')
      .passes(10 * SECOND)
      .acks();
    expect(incident.passes(HOUR).told).not.toContain('failover spare');
  });

  it('is not chained: a backup that fails has no backup of its own page', () => {
    const circle = {
      failover: {
        chat: { to: 'spare', after_ms: SECOND, only: [] },
        spare: { to: 'chat', after_ms: SECOND, only: [] },
      },
    };
    expect(walk(circle, () => DEAD).fires('critical').told).toEqual(['group_now chat', 'failover spare']);
  });
});

describe('a story', () => {
  const job = { lifecycle: 'job' };

  it('is told chapter by chapter, one after the other, to each target', () => {
    const incident = walk({ ...job, notify: ['chat', 'mail'] }, (target) => (target === 'chat' ? 'hangs' : DELIVERED))
      .tells()
      .tells();
    expect(incident.told).toEqual(['story chat', 'story mail', 'story mail']);
    incident.ended('chat', DELIVERED);
    expect(incident.told.at(-1)).toBe('story chat');
  });

  it('is told to its end before the incident closes', () => {
    const incident = walk(job, () => 'hangs').tells(3, true);
    incident.ended('chat', DELIVERED).ended('chat', DELIVERED);
    expect(incident.closed).toBeUndefined();
    incident.ended('chat', DELIVERED);
    expect(incident.told).toEqual(['story chat', 'story chat', 'story chat']);
    expect(incident.closed).toBe('resolved');
  });

  it('goes on with the next chapter when one is dead', () => {
    const incident = walk(job, (_, { through }) => (through === 1 ? DEAD : DELIVERED)).tells(2, true);
    expect(incident.sent.map(({ out }) => [out.from, out.through])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(incident.closed).toBe('resolved');
  });

  it('of a hundred chapters at once is told in at most twenty messages that leave none out', () => {
    const incident = walk(job).tells(100, true);
    const told = incident.sent.map(({ out }) => [out.from, out.through]);
    expect(told).toHaveLength(20);
    expect(told.at(-1)).toEqual([20, 100]);
  });

  it('of a hundred chapters one by one tells each chapter exactly once', () => {
    const incident = walk(job);
    for (let chapter = 1; chapter <= 100; chapter++) incident.passes(MINUTE).tells(1, chapter === 100);
    expect(incident.sent.map(({ out }) => [out.from, out.through])).toEqual(
      Array.from({ length: 100 }, (_, at) => [at + 1, at + 1]),
    );
  });

  it('is not a page: nothing is repeated and nobody is escalated to', () => {
    expect(
      walk({ ...job, ...onCall })
        .tells()
        .passes(12 * HOUR).told,
    ).toEqual(['story chat']);
  });
});

describe('a decision', () => {
  it('is the same twice for the same state and time', () => {
    const incident = walk(onCall).fires('critical').passes(MINUTE);
    expect(nextStep(incident.state, incident.now)).toEqual(nextStep(incident.state, incident.now));
  });

  it('waits for the nearest of several deadlines', () => {
    const opened = openIncident('INC-1', policy({ quiet_ms: MINUTE }), 'epoch-1', START);
    expect(nextStep(opened, START)).toEqual({ kind: 'wait', until: START + MINUTE, next: 'quiet' });
    expect(nextDeadline(opened, START)).toBe(START + MINUTE);
  });

  it('that is due already has now as its deadline', () => {
    const opened = openIncident('INC-1', policy({ group_wait_ms: 0 }), 'epoch-1', START);
    expect(nextDeadline(opened, START + SECOND)).toBe(START + SECOND);
  });
});
