import { describe, expect, it } from 'vitest';
import {
  type Event,
  identityOf,
  isOlder,
  isWorse,
  labelsOf,
  SEVERITIES,
  sentLabel,
  severityOf,
  severityWords,
  shiftSeverity,
  worseOf,
} from '../../src/core/event.ts';

const event = (given: Partial<Event> = {}): Event => ({
  id: 'e1',
  source: 'trader',
  type: 'order_failed',
  title: 'Order failed',
  severity: 'error',
  components: [],
  labels: {},
  assignees: [],
  links: [],
  status: 'firing',
  ...given,
});

describe('severities', () => {
  it('are ordered from critical to info', () => {
    for (const [at, worse] of SEVERITIES.entries()) {
      for (const milder of SEVERITIES.slice(at + 1))
        expect([isWorse(worse, milder), isWorse(milder, worse)]).toEqual([true, false]);
    }
    expect(isWorse('error', 'error')).toBe(false);
    expect(isWorse('info', null)).toBe(true);
  });

  it('of two give the worse, and nothing is milder than anything', () => {
    expect(worseOf('warning', 'critical')).toBe('critical');
    expect(worseOf(null, 'info')).toBe('info');
    expect(worseOf('info', null)).toBe('info');
    expect(worseOf(null, null)).toBeNull();
  });

  it('shift within the four', () => {
    expect([
      shiftSeverity('warning', 1),
      shiftSeverity('critical', 1),
      shiftSeverity('info', -3),
      shiftSeverity('error', -1),
    ]).toEqual(['error', 'critical', 'info', 'warning']);
  });

  it.each([
    ['P0', 'critical'],
    [' Fatal ', 'critical'],
    ['P1', 'error'],
    ['WARN', 'warning'],
    ['p4', 'info'],
  ])('%j is %s', (word, severity) => {
    expect(severityOf(word)).toBe(severity);
  });

  it('do not know every word', () => {
    expect(severityOf('scary')).toBeUndefined();
    for (const word of severityWords()) expect(SEVERITIES).toContain(severityOf(word));
  });
});

describe('what makes two events one alert', () => {
  it('is the dedup_key of one source, whatever else they say', () => {
    const one = event({ dedup_key: 'disk', title: 'Disk at 91%', severity: 'warning' });
    expect(identityOf(one)).toBe(
      identityOf(event({ dedup_key: 'disk', title: 'Disk at 99%', severity: 'critical', labels: { host: 'a' } })),
    );
    expect(identityOf(one)).not.toBe(identityOf({ ...one, source: 'other' }));
  });

  it('is otherwise everything that names the trouble, in any order of labels', () => {
    expect(identityOf(event({ labels: { a: '1', b: '2' } }))).toBe(identityOf(event({ labels: { b: '2', a: '1' } })));
    for (const other of [
      { type: 'x' },
      { title: 'x' },
      { service: 'x' },
      { components: ['x'] },
      { labels: { x: '1' } },
    ]) {
      expect(identityOf(event(other))).not.toBe(identityOf(event()));
    }
  });

  it('is not the id, the severity, the status or the time: a resolve finds its firing', () => {
    expect(
      identityOf(event({ id: 'e2', status: 'resolved', severity: 'info', occurred_at: '2026-01-15T09:00:00.000Z' })),
    ).toBe(identityOf(event()));
  });

  it('cannot be forged by a value with separators in it', () => {
    expect(identityOf(event({ type: 'a","b' }))).not.toBe(identityOf(event({ type: 'a', service: 'b' })));
    expect(identityOf(event({ dedup_key: 'event' }))).not.toBe(identityOf(event({ source: 'event' })));
  });
});

describe('what matchers see', () => {
  it('is the labels, and over them the fields of the event itself', () => {
    expect(labelsOf(event({ labels: { type: 'forged', region: 'eu' } }))).toMatchObject({
      type: 'order_failed',
      region: 'eu',
      status: 'firing',
      service: '',
    });
  });

  it('keeps in sight the labels that those fields hide, by a name of their own', () => {
    const seen = labelsOf(event({ severity: 'critical', labels: { severity: 'page', source: 'x', region: 'eu' } }));
    expect(seen).toMatchObject({ severity: 'critical', 'labels.severity': 'page', 'labels.source': 'x' });
    expect(Object.keys(seen)).not.toContain('labels.type');
    expect(sentLabel('severity')).toBe('labels.severity');
    expect(sentLabel('region')).toBe('region');
  });

  it('takes the service from the labels where the event names none', () => {
    expect(labelsOf(event({ labels: { service: 'till' } })).service).toBe('till');
    expect(labelsOf(event({ service: 'shop', labels: { service: 'till' } })).service).toBe('shop');
  });
});

describe('an end', () => {
  const at = (occurred_at: string, as_of?: string) => ({
    occurred_at: `2026-01-15T${occurred_at}Z`,
    ...(as_of ? { as_of } : {}),
  });
  const [older, newer] = ['2026-01-15T09:00:00Z', '2026-01-15T09:00:01Z'];

  it.each([
    ['in the second it began in, written to the second', at('10:00:00'), at('10:00:00.900'), false],
    ['by a clock two seconds behind', at('10:00:00'), at('10:00:02'), false],
    ['by a clock further behind than hosts are', at('10:00:00'), at('10:00:02.001'), true],
    ['as of an older state, by however little', at('10:30:00', older), at('10:00:00', newer), true],
    ['as of a newer state, however early it came', at('10:00:00', newer), at('10:30:00', older), false],
    ['as of the same state, a moment before', at('10:00:00', older), at('10:00:00.001', older), true],
    ['of which only one says what it is as of', at('10:00:00', older), at('10:00:01'), false],
  ])('%s: is it older than the firing?', (_, end, firing, late) => {
    expect(isOlder(end, firing)).toBe(late);
  });
});
