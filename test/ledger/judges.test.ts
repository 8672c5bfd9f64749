/** What is remembered of the routing's decisions is what it would decide: for whatever event, at whatever time, whoever is silenced. */
import { describe, expect, it } from 'vitest';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import { type Event, identityOf } from '../../src/core/event.ts';
import { decide, type Routing, storedDecision } from '../../src/core/route.ts';
import { createPolicyNames, judge } from '../../src/ledger/accept/arrival.ts';
import { createJudges } from '../../src/ledger/accept/judges.ts';
import { event } from '../support/ledger.ts';

const now = new Date('2026-01-15T09:00:00Z');
const moment = { firing: [], silences: [], owned: undefined, now };

const { routing } = fromText(
  `
integrations:
  chat: { type: stdout }
  pager: { type: stdout }
time_intervals:
  nights: { times: ['22:00-06:00'], timezone: UTC }
routes:
  - { name: nightly, match: ['service="batch"'], mute: nights, notify: [chat] }
  - { name: worse, match: ['severity="critical"'], group_by: [service, host], notify: [pager], continue: true }
  - { name: eu, match: ['region="eu"'], severity_during: { nights: +1 }, notify: [chat] }
  - { name: all, group_by: all, notify: [chat] }
inhibitions:
  - { source: ['alertname="Down"'], target: ['severity="warning"'], equal: [host] }
default: { notify: [chat] }
`,
  'tocsin.yaml',
  {},
  REGISTRY,
);

/** One other value for each field of an event. */
const OTHERS: Required<Event> = {
  id: 'another',
  source: 'another',
  type: 'another',
  title: 'Another',
  severity: 'critical',
  severity_word: 'P0',
  body: 'another',
  service: 'batch',
  components: ['another'],
  labels: { region: 'eu', host: 'another' },
  context: { another: 1 },
  trace_id: 'another',
  request_id: 'another',
  assignees: ['another'],
  user: 'another',
  links: [{ title: 'another', url: 'https://example.com' }],
  status: 'resolved',
  dedup_key: 'another',
  incident: 'another',
  occurred_at: '2026-01-15T08:00:00Z',
  as_of: '2026-01-15T08:00:00Z',
  expires_at: '2026-01-15T10:00:00Z',
};

const judgesOf = (by: Routing) => createJudges(by, createPolicyNames());
const decisionOf = (one: Event, by: Routing, at = now): string =>
  JSON.stringify(storedDecision(decide(one, by, [], at)));

describe('what the routing says of an event', () => {
  it.each(Object.keys(OTHERS) as (keyof Event)[])('is its own where nothing but its %s is another', (field) => {
    const judges = judgesOf(routing);
    const one = event({ labels: { region: 'us', host: 'a' } });
    const other = { ...one, [field]: OTHERS[field] };
    for (const each of [one, other, one]) expect(judges(moment)(each).decision.text).toBe(decisionOf(each, routing));
  });

  it('is one object for all that are alike, in this commit and the next', () => {
    const judges = judgesOf(routing);
    const said = judges(moment)(event({ title: 'One' }));
    expect(judges(moment)(event({ title: 'Other' }))).toBe(said);
  });

  it('changes with the minute', () => {
    const judges = judgesOf(routing);
    const batch = event({ service: 'batch' });
    const times = [new Date('2026-01-15T21:59:59.999Z'), new Date('2026-01-15T22:00:00Z')];
    const said = times.map((at) => judges({ ...moment, now: at })(batch));
    expect(said.map(({ decision }) => decision.text)).toEqual(times.map((at) => decisionOf(batch, routing, at)));
    expect(said.map(({ quiet }) => quiet.length)).toEqual([0, 1]);
  });

  it('changes with a silence, and back', () => {
    const judges = judgesOf(routing);
    const one = event();
    const silence = {
      id: 'a',
      kind: 'silence' as const,
      matchers: [
        {
          name: 'source',
          value: one.source,
          is_regex: false,
          is_equal: true,
          test: (value: string) => value === one.source,
        },
      ],
      starts_at: new Date(0),
      ends_at: new Date('2027-01-01'),
      created_by: 'ana',
      comment: '',
      updated_at: new Date(0),
    };
    const outcomes = [[], [silence], []].map((silences) => judges({ ...moment, silences })(one).quiet.length);
    expect(outcomes).toEqual([0, 1, 0]);
  });

  it('changes with an alert that inhibits, for as long as it fires', () => {
    const judges = judgesOf(routing);
    const labels = { alertname: 'Down', host: 'a' };
    const firing = [{ fingerprint_source: 'down', labels }];
    const warnings = ['a', 'b', 'a'].map((host) => event({ severity: 'warning', labels: { host } }));
    const judgeEach = judges({ ...moment, firing });
    const said = warnings.map(judgeEach);
    expect(said.map(({ quiet }) => quiet.length)).toEqual([1, 0, 1]);
    expect(said[2]).toBe(said[0]);
    expect(judges(moment)(warnings[0] as Event).quiet).toEqual([]);
  });

  it('is another of the alert that inhibits, which never inhibits itself', () => {
    const one = event({ severity: 'warning', labels: { host: 'a' }, dedup_key: 'one' });
    const other = { ...one, dedup_key: 'other' };
    const firing = [{ fingerprint_source: identityOf(one), labels: { alertname: 'Down', host: 'a' } }];
    const judgeEach = judgesOf(routing)({ ...moment, firing });
    expect([one, other, one].map((each) => judgeEach(each).quiet.length)).toEqual([0, 1, 0]);
  });

  it('goes to the ledger with the joins that were judged', () => {
    const one = event();
    const { joins } = judge(one, routing, [], now, createPolicyNames());
    expect(judgesOf(routing)(moment)(one).joins).toEqual(joins);
  });
});
