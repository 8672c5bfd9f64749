/** Silences by the clock and by their matchers, as Alertmanager reads its own. */
import { describe, expect, it } from 'vitest';
import type { Interval } from '../../src/core/interval.ts';
import {
  compiled,
  isQuietAt,
  quietUntil,
  type Silence,
  type SilenceMatcher,
  silencedBy,
  silenceText,
  stateOf,
} from '../../src/core/silence.ts';
import { compile } from '../../src/expressions/compile.ts';

const NOW = new Date('2026-11-20T10:00:00Z');
const at = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000);

const matcher = (name: string, value: string, more: Partial<SilenceMatcher> = {}): SilenceMatcher => ({
  name,
  value,
  is_regex: false,
  is_equal: true,
  ...more,
});

const silence = (matchers: SilenceMatcher[], more: Partial<Silence> = {}): Silence => ({
  id: 'one',
  kind: 'silence',
  matchers: compiled(matchers, compile),
  starts_at: at(-10),
  ends_at: at(10),
  created_by: 'ana',
  comment: 'moving the rack',
  updated_at: at(-10),
  ...more,
});

const NIGHT: Interval = { name: 'night', timezone: 'Asia/Seoul', times: [{ from: 22 * 60, to: 6 * 60 }] };

describe('a silence', () => {
  it.each([
    ['foo="bar"', matcher('foo', 'bar'), { foo: 'bar' }, true],
    ['foo="bar"', matcher('foo', 'bar'), { foo: 'barn' }, false],
    ['foo="bar"', matcher('foo', 'bar'), {}, false],
    ['foo=""', matcher('foo', ''), {}, true],
    ['foo!="bar"', matcher('foo', 'bar', { is_equal: false }), {}, true],
    ['foo!="bar"', matcher('foo', 'bar', { is_equal: false }), { foo: 'bar' }, false],
    ['foo=~"b.*"', matcher('foo', 'b.*', { is_regex: true }), { foo: 'bar' }, true],
    ['foo=~"a"', matcher('foo', 'a', { is_regex: true }), { foo: 'bar' }, false],
    ['foo=~".*"', matcher('foo', '.*', { is_regex: true }), {}, true],
    ['foo!~"b.*"', matcher('foo', 'b.*', { is_regex: true, is_equal: false }), { foo: 'bar' }, false],
    ['foo!~"b.*"', matcher('foo', 'b.*', { is_regex: true, is_equal: false }), {}, true],
  ])('of %s over %j: %j', (_, one, labels, holds) => {
    expect(silencedBy(labels, [silence([one])], NOW)).toEqual(holds ? ['one'] : []);
  });

  it('needs all of its matchers, and all that match are named', () => {
    const both = [matcher('foo', 'bar'), matcher('env', 'prod')];
    const all = [silence(both, { id: 'a' }), silence([matcher('foo', 'bar')], { id: 'b' }), silence(both, { id: 'c' })];
    expect(silencedBy({ foo: 'bar', env: 'prod' }, all, NOW)).toEqual(['a', 'b', 'c']);
    expect(silencedBy({ foo: 'bar' }, all, NOW)).toEqual(['b']);
  });

  it('is pending before its start, active from it, and expired from its end', () => {
    const one = silence([matcher('foo', 'bar')]);
    expect([-11, -10, 9, 10, 11].map((minutes) => stateOf(one, at(minutes)))).toEqual([
      'pending',
      'active',
      'active',
      'expired',
      'expired',
    ]);
    expect(silencedBy({ foo: 'bar' }, [one], at(10))).toEqual([]);
  });

  it('refuses what RE2 refuses', () => {
    expect(() => compiled([matcher('foo', '(', { is_regex: true })], compile)).toThrow('missing closing )');
  });

  it('says who made it, until when and why', () => {
    expect(silenceText(silence([matcher('foo', 'bar')]))).toBe(
      'silence one by ana until 2026-11-20T10:10:00.000Z: moving the rack',
    );
  });
});

describe('a maintenance window', () => {
  const { ends_at: _, ...open } = silence([matcher('foo', 'bar')], { kind: 'maintenance', id: 'nightly' });
  const window: Silence = { ...open, during: [NIGHT] };

  it('comes back each night by the clock of its zone', () => {
    // 22:00 in Seoul is 13:00 UTC.
    const times = ['20T12:59', '20T13:00', '20T20:59', '20T21:00', '21T13:00'];
    expect(times.map((time) => isQuietAt(window, new Date(`2026-11-${time}:00Z`)))).toEqual([
      false,
      true,
      true,
      false,
      true,
    ]);
    expect(stateOf(window, at(100_000))).toBe('active');
  });

  it('knows until when it is on without a break', () => {
    expect(quietUntil(window, new Date('2026-11-20T15:30:20Z'))).toEqual(new Date('2026-11-20T21:00:00Z'));
    expect(
      quietUntil({ ...window, ends_at: new Date('2026-11-20T16:00:00Z') }, new Date('2026-11-20T15:30:20Z')),
    ).toEqual(new Date('2026-11-20T16:00:00Z'));
    expect(quietUntil(silence([]), NOW)).toEqual(at(10));
  });

  it('says when it is on', () => {
    expect(silenceText(window)).toBe('maintenance nightly by ana during night (Asia/Seoul): moving the rack');
  });
});
