import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Compile, globTest, labelValue, matcherText, matchesAll, parseMatcher } from '../../src/core/match.ts';

const compile: Compile = (pattern) => {
  const expression = new RegExp(`^(?:${pattern})$`, 's');
  return (value) => expression.test(value);
};
const parse = (text: string) => parseMatcher(text, compile);

describe('a matcher', () => {
  it.each([
    ['severity="critical"', { name: 'severity', op: '=', value: 'critical' }],
    ['  severity  !=  critical  ', { name: 'severity', op: '!=', value: 'critical' }],
    ['type=~"job_.*"', { name: 'type', op: '=~', value: 'job_.*' }],
    ['type!~job_\\d+', { name: 'type', op: '!~', value: 'job_\\d+' }],
    ['title="said \\"no\\"\\\\\\n"', { name: 'title', op: '=', value: 'said "no"\\\n' }],
    ['team=two words', { name: 'team', op: '=', value: 'two words' }],
    ['service=', { name: 'service', op: '=', value: '' }],
    ['"my label"="x"', { name: 'my label', op: '=', value: 'x' }],
    ['k8s.io/name=web', { name: 'k8s.io/name', op: '=', value: 'web' }],
    ['größe="1"', { name: 'größe', op: '=', value: '1' }],
  ])('reads %s', (text, expected) => {
    expect(parse(text)).toMatchObject(expected);
  });

  it.each([
    ['severity', /one of =, !=, =~ or !~ is expected .* at character 9/],
    ['="x"', /a label name is expected first, at character 1/],
    ['{a="b"}', /braces are not wanted/],
    ['a="b', /the quote before the value is never closed, at character 3/],
    ['a="b" c', /nothing may follow the closing quote .* at character 6/],
    ['a=b"c', /needs double quotes around it, at character 4/],
    ['a.b=c d', /needs double quotes around it, at character 6/],
    ['a=~"("', /not a regular expression .* at character 4/],
  ])('refuses %s and says where', (text, problem) => {
    expect(() => parse(text)).toThrow(problem);
  });

  it('takes a label that is absent for the empty string', () => {
    expect(matchesAll([parse('foo=""'), parse('foo=~".*"'), parse('foo!="x"')], {})).toBe(true);
    expect(matchesAll([parse('foo!=""')], {})).toBe(false);
    expect(labelValue({}, 'constructor')).toBe('');
  });

  it('matches the whole value, not a part of it', () => {
    expect(parse('type=~"job"').test('job_failed')).toBe(false);
    expect(parse('type!~"job"').test('job_failed')).toBe(true);
  });

  it('is read back from its own text, whatever name and value are', () => {
    const op = fc.constantFrom('=', '!=');
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((name) => name.trim() !== '' && !/[\\"\p{Cc}]/u.test(name)),
        op,
        fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', ' ', '=', 'é', '{') }),
        (name, operator, value) => {
          expect(parse(matcherText({ name, op: operator as '=', value }))).toMatchObject({ name, op: operator, value });
        },
      ),
    );
  });
});

describe('a glob', () => {
  it('lets a star stand for any text, and joints for themselves', () => {
    expect(globTest('deploy:*')('deploy:started')).toBe(true);
    expect(globTest('deploy:*')('deploy_started')).toBe(false);
    expect(globTest('*_failed')('job_failed')).toBe(true);
    expect(globTest('job.*')('jobs')).toBe(false);
    expect(globTest('')('')).toBe(true);
  });

  it('agrees with the regular expression it stands for', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 12 });
    fc.assert(
      fc.property(text, text, (pattern, value) => {
        const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 's');
        expect(globTest(pattern)(value)).toBe(expression.test(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('stays quick with a pattern made to backtrack', () => {
    let steps = 0;
    const value = new Proxy(Object('a'.repeat(2_000)) as object, {
      get: (target, key) => {
        steps++;
        return Reflect.get(target, key);
      },
    }) as unknown as string;
    expect(globTest(`${'*a'.repeat(40)}b`)(value)).toBe(false);
    expect(steps).toBeLessThan(2_000 * 100);
  });
});
