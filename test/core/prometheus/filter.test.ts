import { describe, expect, it } from 'vitest';
import { parseFilter, passes } from '../../../src/core/prometheus/filter.ts';
import { compile } from '../../../src/expressions/compile.ts';

const read = (text: string) => {
  const { name, op, value } = parseFilter(text, compile);
  return [name, op, value];
};

describe('a filter', () => {
  it.each([
    ['foo=bar', 'foo', '=', 'bar'],
    ['foo="bar"', 'foo', '=', 'bar'],
    [' foo != "bar" ', 'foo', '!=', 'bar'],
    ['foo=~bar|baz', 'foo', '=~', 'bar|baz'],
    ['foo!~"b.z"', 'foo', '!~', 'b.z'],
    ['foo=', 'foo', '=', ''],
    ['foo=""', 'foo', '=', ''],
    ['foo=a b {c}', 'foo', '=', 'a b {c}'],
    ['foo="a\\"b\\\\c\\nd"', 'foo', '=', 'a"b\\c\nd'],
    ['foo=~"\\d+\\."', 'foo', '=~', '\\d+\\.'],
    ['foo=tail\\', 'foo', '=', 'tail\\'],
    ['foo=a\nb', 'foo', '=', 'a\nb'],
    ['a:b=c', 'a:b', '=', 'c'],
    ['foo==bar', 'foo', '=', '=bar'],
    ['"k8s.pod"="web"', 'k8s.pod', '=', 'web'],
    ['größe=1', 'größe', '=', '1'],
  ])('%j is read', (text, name, op, value) => {
    expect(read(text)).toEqual([name, op, value]);
  });

  // Alertmanager 0.25's own words.
  it.each([
    ['foo', 'bad matcher format: foo'],
    ['', 'bad matcher format: '],
    ['{a="b"}', 'bad matcher format: {a="b"}'],
    ['1a=b', undefined],
    ['a="b', 'matcher value contains unescaped double quote: "b'],
    ['a=b"c', 'matcher value contains unescaped double quote: b"c'],
    ['a="b"c"', 'matcher value contains unescaped double quote: "b"c"'],
    ['a="b\\"', 'matcher value contains unescaped double quote: "b\\"'],
    ['a=~(', 'error parsing regexp: missing closing ): `^(?:()$`'],
    ['a=~"(?=x)"', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
  ])('%j is refused in the words of Alertmanager, or is one of quoted names', (text, words) => {
    if (words === undefined) expect(read(text)).toEqual(['1a', '=', 'b']);
    else expect(() => read(text)).toThrow(new Error(words));
  });

  it('takes an absent label for the empty text, and a regular expression for the whole value', () => {
    const holds = (text: string) => passes([parseFilter(text, compile)], { a: 'bcd' });
    expect(['foo=""', 'foo=~".*"', 'foo!=x', 'a=~b.d', 'a!~c', 'a=bcd'].map(holds)).toEqual(Array(6).fill(true));
    expect(['foo!=""', 'foo=~".+"', 'a=~c', 'a!~b.d', 'constructor!=""'].map(holds)).toEqual(Array(5).fill(false));
  });
});
