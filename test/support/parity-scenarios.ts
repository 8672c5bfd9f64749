/** The scenarios that Alertmanager and we are both played: what is posted, what is heard, and where we differ on purpose. */
import { differ, end, endSilence, hear, nothing, post, restart, type Scenario, silence, wait } from './parity.ts';

/** What alertmanager.yml says beside its routes and receivers. */
export const GLOBAL = {
  inhibit_rules: [
    { source_matchers: ['alertname="cause"'], target_matchers: ['alertname="effect"'], equal: ['scenario'] },
  ],
  time_intervals: [
    { name: 'always', time_intervals: [{ weekdays: ['sunday:saturday'] }] },
    { name: 'never', time_intervals: [{ years: ['2000'], months: ['january'] }] },
  ],
};

/** Played all at once on one start of each side. */
export const SCENARIOS: Scenario[] = [
  {
    name: 'merge',
    about: 'alerts whose times overlap are one, which began with the earliest; one that begins after an end is another',
    route: { repeat_interval: '6s' },
    steps: [
      post({ name: 'a', since: -1, summary: 'first' }, { name: 'a', since: -20, summary: 'first' }),
      differ("the times of our notices are the ledger's, not the senders'", {
        theirs: [hear({ firing: ['a'], since: -20, summary: 'first' })],
        ours: [hear({ firing: ['a'], summary: 'first' })],
      }),
      post({ name: 'a', since: -10, summary: 'second' }),
      differ('what only repeats a firing moves its end and is no event: it is told in the words it fired with', {
        theirs: [hear({ firing: ['a'], since: -20, summary: 'second', after: 6 })],
        ours: [hear({ firing: ['a'], summary: 'first', after: 6 })],
      }),
      post({ name: 'a', ended: -3 }, { name: 'a', ended: -2 }, { name: 'a', ended: -4 }),
      differ("the times of our notices are the ledger's, not the senders'", {
        theirs: [hear({ over: ['a'], since: -20, ended: -2 })],
        ours: [hear({ over: ['a'] })],
      }),
      post({ name: 'a', since: -1 }),
      hear({ firing: ['a'] }),
      end('a'),
      hear({ over: ['a'] }),
    ],
  },
  {
    name: 'batching',
    about: 'what comes within group_wait is one message; what joins is told with the rest after group_interval',
    // Ten seconds: on a busy machine two posts lay three apart.
    route: { group_by: [], group_wait: '10s' },
    steps: [
      post('a'),
      wait(0.4),
      post('e'),
      hear({ firing: ['a', 'e'] }),
      wait(1.5),
      post('b', 'c', 'd'),
      hear({ firing: ['a', 'b', 'c', 'd', 'e'] }),
      nothing,
      end('a', 'b', 'c', 'd', 'e'),
      hear({ over: ['a', 'b', 'c', 'd', 'e'] }),
    ],
  },
  {
    name: 'repeat',
    about: 'what goes on is told again after each repeat_interval, until it is over',
    route: { repeat_interval: '6s' },
    steps: [
      post('a'),
      hear({ firing: ['a'] }),
      hear({ firing: ['a'], after: 6 }),
      post('a'),
      hear({ firing: ['a'], after: 6 }),
      end('a'),
      hear({ over: ['a'] }),
      nothing,
    ],
  },
  {
    name: 'retry',
    about: 'a receiver that fails for a while is told in the end, and the other is told once',
    receivers: { good: {}, bad: { refuses: 2 } },
    steps: [
      post('a'),
      hear({ firing: ['a'], at: 'good' }),
      hear({ firing: ['a'], at: 'bad' }),
      end('a'),
      hear({ over: ['a'], at: 'good' }),
      hear({ over: ['a'], at: 'bad' }),
    ],
  },
  {
    name: 'filter',
    about: 'a receiver without send_resolved hears of nothing that is over, and of the rest as the others do',
    route: { group_by: [] },
    receivers: { all: {}, firing: { send_resolved: false } },
    steps: [
      post('a', 'b'),
      hear({ firing: ['a', 'b'], at: 'all' }),
      hear({ firing: ['a', 'b'], at: 'firing' }),
      post({ name: 'a', over: true }, 'c'),
      hear({ firing: ['b', 'c'], over: ['a'], at: 'all' }),
      hear({ firing: ['b', 'c'], at: 'firing' }),
      end('b'),
      differ(
        'what is over while others fire is no news here: it is told with the next that is, and is listed until the end',
        {
          theirs: [hear({ firing: ['c'], over: ['b'], at: 'all' }), end('c'), hear({ over: ['c'], at: 'all' })],
          ours: [nothing, end('c'), hear({ over: ['a', 'b', 'c'], at: 'all' })],
        },
      ),
    ],
  },
  {
    name: 'expiry',
    about: 'an alert that nobody posts again is over when it said so',
    steps: [post({ name: 'a', lasts: 6 }), hear({ firing: ['a'] }), hear({ over: ['a'] })],
  },
  {
    name: 'short',
    about: 'an alert that is over before group_wait has passed fires for nobody',
    steps: [
      post('a'),
      end('a'),
      differ('whoever would have been told hears at least that it was', {
        theirs: [nothing],
        ours: [hear({ over: ['a'] })],
      }),
    ],
  },
  {
    name: 'inhibited',
    about: 'an alert that another inhibits is told when that one is over and it still fires',
    steps: [
      post('cause'),
      hear({ firing: ['cause'] }),
      post('effect'),
      nothing,
      end('cause'),
      hear({ over: ['cause'] }),
      hear({ firing: ['effect'] }),
      end('effect'),
      hear({ over: ['effect'] }),
    ],
  },
  {
    name: 'together',
    about: 'an alert that comes with the one that inhibits it, and ends with it, is told of to nobody',
    steps: [
      post('effect', 'cause'),
      hear({ firing: ['cause'] }),
      nothing,
      end('effect', 'cause'),
      hear({ over: ['cause'] }),
      nothing,
    ],
  },
  {
    name: 'soon-cause',
    about: 'an alert that is inhibited by one that comes within its group_wait',
    route: { group_wait: '3s' },
    steps: [
      post('effect'),
      wait(0.2),
      post('cause'),
      hear({ firing: ['cause'] }),
      differ('inhibitions are looked at when an alert is heard of, not when it is told', {
        theirs: [nothing, end('effect'), nothing, end('cause')],
        ours: [hear({ firing: ['effect'] }), end('effect'), hear({ over: ['effect'] }), end('cause')],
      }),
      hear({ over: ['cause'] }),
    ],
  },
  {
    name: 'late-cause',
    about: 'an alert that is inhibited only after it was told',
    route: { repeat_interval: '8s' },
    steps: [
      post('effect'),
      hear({ firing: ['effect'] }),
      post('cause'),
      hear({ firing: ['cause'] }),
      differ('inhibitions are looked at when an alert is heard of: an incident that is open already goes on', {
        theirs: [hear({ firing: ['cause'], after: 8 })],
        ours: [hear({ firing: ['effect'] }), hear({ firing: ['cause'] })],
      }),
      differ('an alert that was told is told as over, whatever holds it back', {
        theirs: [end('effect'), nothing, end('cause'), hear({ over: ['cause'] })],
        ours: [end('effect'), hear({ over: ['effect'] }), end('cause'), hear({ over: ['cause'] })],
      }),
    ],
  },
  {
    name: 'silenced',
    about: 'a silenced alert is told when the silence runs out, and its neighbour at once',
    steps: [
      silence('a', 12),
      post('a', 'b'),
      hear({ firing: ['b'] }),
      nothing,
      hear({ firing: ['a'] }),
      end('a', 'b'),
      hear({ over: ['a'] }),
      hear({ over: ['b'] }),
    ],
  },
  {
    name: 'deleted',
    about: 'a silenced alert is told when the silence is deleted',
    steps: [
      silence('a', 3_600),
      post('a'),
      nothing,
      endSilence,
      hear({ firing: ['a'] }),
      end('a'),
      hear({ over: ['a'] }),
    ],
  },
  {
    name: 'over-in-silence',
    about: 'an alert that was told, and ends in a silence',
    steps: [
      post('a'),
      hear({ firing: ['a'] }),
      silence('a', 3_600),
      wait(1),
      end('a'),
      differ('who heard that it fires hears that it is over', {
        theirs: [nothing, endSilence, nothing],
        ours: [hear({ over: ['a'] }), nothing, endSilence, nothing],
      }),
    ],
  },
  {
    name: 'partly',
    about: 'one alert of a group is silenced after it was told, and the other goes on',
    route: { group_by: [], repeat_interval: '8s' },
    steps: [
      post('a', 'b'),
      hear({ firing: ['a', 'b'] }),
      silence('a', 3_600),
      differ('an open incident goes on as a whole while anything in it is not silenced', {
        theirs: [hear({ firing: ['b'], after: 8 })],
        ours: [hear({ firing: ['a', 'b'], after: 8 })],
      }),
      end('a', 'b'),
      differ('who heard that it fires hears that it is over', {
        theirs: [hear({ over: ['b'] })],
        ours: [hear({ over: ['a', 'b'] })],
      }),
    ],
  },
  {
    name: 'times',
    about: 'a route that is muted now, or not active now, tells nobody',
    route: {
      routes: [
        { matchers: ['alertname="muted"'], mute_time_intervals: ['always'] },
        { matchers: ['alertname="off"'], active_time_intervals: ['never'] },
        { matchers: ['alertname="on"'], active_time_intervals: ['always'], mute_time_intervals: ['never'] },
      ],
    },
    steps: [
      post('muted', 'off', 'on'),
      hear({ firing: ['on'] }),
      nothing,
      end('muted', 'off', 'on'),
      hear({ over: ['on'] }),
      nothing,
    ],
  },
];

/** Played on starts of their own, which are ended in the middle. */
export const RESTARTED: Scenario[] = [
  {
    name: 'restart',
    about: 'what was told is not told again after a restart, until repeat_interval has passed',
    route: { group_wait: '2s', repeat_interval: '12s' },
    steps: [
      post('told'),
      hear({ firing: ['told'] }),
      post('kept'),
      restart,
      post('told'),
      differ('what was accepted is kept, by a process that is killed too', {
        theirs: [],
        ours: [hear({ firing: ['kept'] })],
      }),
      hear({ firing: ['told'], after: 12 }),
      end('told'),
      hear({ over: ['told'] }),
      differ('what was accepted is kept, by a process that is killed too', {
        theirs: [],
        ours: [end('kept'), hear({ over: ['kept'] })],
      }),
    ],
  },
];
