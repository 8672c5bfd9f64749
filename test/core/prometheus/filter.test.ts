import { describe, expect, it } from 'vitest';
import { parseFilter, passes } from '../../../src/core/prometheus/filter.ts';
import { compile } from '../../../src/expressions/compile.ts';
import { CLASSIC_FILTERS, QUOTED_FILTERS, REFUSED_FILTERS } from '../../support/filters.ts';

const read = (text: string) => {
  const { name, op, value } = parseFilter(text, compile);
  return [name, op, value];
};

describe('a filter', () => {
  it.each(CLASSIC_FILTERS)('%j is read as it always was', (text, ...parts) => {
    expect(read(text)).toEqual(parts);
  });

  it.each(QUOTED_FILTERS)('%j is read with the grammar of quoted names', (text, ...parts) => {
    expect(read(text)).toEqual(parts);
  });

  it.each(REFUSED_FILTERS)('%j is refused in the words of Alertmanager', (text, words) => {
    expect(() => read(text)).toThrow(new Error(words));
  });

  it('takes an absent label for the empty text, and a regular expression for the whole value', () => {
    const holds = (text: string) => passes([parseFilter(text, compile)], { a: 'bcd' });
    expect(['foo=""', 'foo=~".*"', 'foo!=x', 'a=~b.d', 'a!~c', 'a=bcd'].map(holds)).toEqual(Array(6).fill(true));
    expect(['foo!=""', 'foo=~".+"', 'a=~c', 'a!~b.d', 'constructor!=""'].map(holds)).toEqual(Array(5).fill(false));
  });
});
