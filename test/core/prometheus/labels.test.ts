import { describe, expect, it } from 'vitest';
import {
  compareInGroup,
  compareLabels,
  fingerprintOf,
  inByteOrder,
  labelsText,
} from '../../../src/core/prometheus/labels.ts';

describe('the fingerprint of a label set', () => {
  // What Alertmanager 0.25 and 0.31 show for these labels.
  it.each([
    [{}, 'cbf29ce484222325'],
    [{ alertname: 'HighCPU', instance: 'a:9100', severity: 'critical' }, '1747c26e7c776e2c'],
    [{ severity: 'warning', instance: 'a:9100', alertname: 'HighCPU' }, 'f22606fb9d9cb667'],
    [{ foo: 'bar' }, '3fff2c2d7595e046'],
    [{ alertname: 'Db', team: 'db' }, 'd4671fbdad6a2293'],
    [{ alertname: 'GoodOne' }, '3f779503f87a9103'],
    [{ a: 'x', b: '' }, '6e13bec72f2247c8'],
    [{ alertname: 'Ünïcode', summary: '日本' }, '85e81c2e1047fd14'],
    // In the order of UTF-16 units the last two names would change places.
    [{ A: '1', _: '2', a: '3', 𝒳: '4', '！': '5' }, '1e82efe68500fa3b'],
  ])('of %j is %s', (labels, fingerprint) => {
    expect(fingerprintOf(labels)).toBe(fingerprint);
  });
});

describe('the order of texts', () => {
  it('is that of their UTF-8 bytes', () => {
    const texts = ['', 'A', 'AB', '_', 'a', 'é', '日', '！', '𝒳', '𝒳a'];
    expect([...texts].reverse().sort(inByteOrder)).toEqual(texts);
    expect([...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))).toEqual(texts);
  });
});

describe('the text of a label set', () => {
  it('is one for one set, whatever order it was written in', () => {
    expect(labelsText({ b: '2', a: '1' })).toBe(labelsText({ a: '1', b: '2' }));
    expect(labelsText({ a: 'b,c' })).not.toBe(labelsText({ a: 'b', c: '' }));
  });
});

describe('the order of label sets', () => {
  it('is fewer labels first, then the first difference, absent before present', () => {
    const sets = [{}, { x: 'y' }, { a: 'b' }, { a: 'c' }, { b: '1', c: '1' }, { a: '1', c: '1' }, { a: '1', b: '2' }];
    expect([...sets].reverse().sort(compareLabels)).toEqual(sets);
  });

  it('is within a group by job and instance before all, whoever has one first', () => {
    const sets = [
      { job: 'a', instance: '2', more: 'x', most: 'x' },
      { job: 'b', instance: '1' },
      { job: 'b' },
      { instance: '0' },
      { a: '1' },
    ];
    expect([...sets].reverse().sort(compareInGroup)).toEqual(sets);
  });
});
