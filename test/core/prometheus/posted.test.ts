import { describe, expect, it } from 'vitest';
import { merged, newsOf, type Posted, postedAt } from '../../../src/core/prometheus/posted.ts';

const MIN = 60_000;
/** Half past an hour. */
const T = Date.parse('2026-01-15T10:30:00Z');
/** An alert posted at `at` minutes after T, from and to minutes after T. */
const posted = (at: number, from?: number, to?: number, generatorURL = 'http://one/graph'): Posted =>
  postedAt(
    {
      labels: { alertname: 'Down' },
      annotations: { at: String(at) },
      generatorURL,
      ...(from === undefined ? {} : { starts_at: T + from * MIN }),
      ...(to === undefined ? {} : { ends_at: T + to * MIN }),
    },
    T + at * MIN,
  );
const times = ({ starts_at, ends_at }: Posted) => [(starts_at - T) / MIN, (ends_at - T) / MIN];

describe('the times of a posted alert', () => {
  it('are filled in where the sender gives none: five minutes from now, or where it ends', () => {
    expect(times(posted(0))).toEqual([0, 5]);
    expect(posted(0).timeout).toBe(true);
    expect(times(posted(0, -3))).toEqual([-3, 5]);
    expect(times(posted(0, undefined, -1))).toEqual([-1, -1]);
    expect(posted(0, undefined, -1)).toMatchObject({ timeout: false, ended: { at: T - MIN, by: 'http://one/graph' } });
  });
});

describe('two postings of one alert', () => {
  it.each<[string, Posted, Posted, number[]]>([
    ['a repetition moves the end', posted(0, -1, 4), posted(1, -1, 5), [-1, 5]],
    ['an earlier end of a second server does not', posted(1, -1, 5), posted(1.5, -1, 4), [-1, 5]],
    ['the earlier start stays', posted(1, -2, 5), posted(1.5, -1, 5.5), [-2, 5.5]],
    ['an end ends it', posted(1, -2, 5), posted(2, -2, 2), [-2, 2]],
    ['of two ends the later counts', posted(2, -2, 2), posted(3, -2, 1.5), [-2, 2]],
    ['our timeout gives way to an end that is given', posted(0, -2), posted(1, -2, 3), [-2, 3]],
    ['an end that is given does not give way to our timeout', posted(0, -2, 10), posted(1, -1), [-2, 10]],
    ['what begins after the end stands alone', posted(2, -2, 2), posted(5, 4, 9), [4, 9]],
  ])('%s', (_words, old, sent, expected) => {
    expect(times(merged(old, sent))).toEqual(expected);
  });

  it('have the labels, annotations and source of the younger', () => {
    const next = merged(posted(0, -1, 4), posted(1, 0, 5, 'http://two/graph'));
    expect(next).toMatchObject({ annotations: { at: '1' }, generatorURL: 'http://two/graph', updated_at: T + MIN });
  });
});

/** What the pipeline hears of these postings, one after the other. */
const heard = (...all: Posted[]) => {
  let old: Posted | undefined;
  return all.map((sent) => {
    const next = merged(old, sent);
    const news = newsOf(old, next);
    old = next;
    if (!news) return 'nothing';
    if (news.status === 'resolved' || news.again === undefined) return news.status;
    return `firing after ${(news.again - T) / MIN}`;
  });
};

describe('what is news', () => {
  it('is the firing and its end, not what Prometheus repeats of them', () => {
    const ends = Array.from({ length: 15 }, (_, minute) => posted(3 + minute, 0, 3));
    expect(heard(posted(0, 0, 4), posted(1, 0, 5), posted(2, 0, 6), ...ends)).toEqual([
      'firing',
      'nothing',
      'nothing',
      'resolved',
      ...Array(14).fill('nothing'),
    ]);
  });

  it('is a firing that goes on once an hour', () => {
    const all = Array.from({ length: 121 }, (_, minute) => posted(minute, 0, minute + 4));
    expect(heard(...all).filter((news) => news === 'firing')).toHaveLength(3);
  });

  it('is the next firing after an end', () => {
    expect(heard(posted(0, 0, 4), posted(2, 0, 2), posted(3, 3, 7))).toEqual(['firing', 'resolved', 'firing after 2']);
  });

  it('is a firing that is heard of again after it had run out', () => {
    expect(heard(posted(0, 0, 4), posted(9, 0, 13), posted(10, 0, 14))).toEqual([
      'firing',
      'firing after 4',
      'nothing',
    ]);
  });

  it('is a firing that its own sender goes back to, at once', () => {
    expect(heard(posted(0, 0, 4), posted(2, 0, 2), posted(2.5, 0, 6), posted(3, 0, 7))).toEqual([
      'firing',
      'resolved',
      'firing after 2',
      'nothing',
    ]);
  });

  it('is no firing that another server repeats only until it sees the end as well', () => {
    const two = 'http://two/graph';
    expect(heard(posted(0, 0, 4), posted(2, 0, 2), posted(2.5, 0, 6, two), posted(2.7, 0, 2.7, two))).toEqual([
      'firing',
      'resolved',
      'nothing',
      'resolved',
    ]);
  });

  it('is a firing that another server goes on repeating', () => {
    const two = 'http://two/graph';
    const repeated = [2.5, 3.5, 4.5, 5.5].map((at) => posted(at, 0, at + 4, two));
    expect(heard(posted(0, 0, 4), posted(2, 0, 2), ...repeated)).toEqual([
      'firing',
      'resolved',
      'nothing',
      'nothing',
      'firing after 2',
      'nothing',
    ]);
  });
});
