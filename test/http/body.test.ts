import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/http/body.ts';
import { Problem } from '../../src/http/problem.ts';

const refusal = (text: string | Uint8Array, options = {}): string => {
  try {
    parseJson(Buffer.from(text), options);
  } catch (error) {
    if (error instanceof Problem) return `${error.kind}: ${error.message}`;
    throw error;
  }
  return 'taken';
};

describe('JSON of a request', () => {
  it('is read as JSON.parse reads it, whatever texts and nesting it has', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        fc.pre(!text.includes('__proto__'));
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('may be nested 32 deep and no deeper, and brackets in texts do not count', () => {
    expect(refusal('['.repeat(32) + ']'.repeat(32))).toBe('taken');
    expect(refusal('['.repeat(33) + ']'.repeat(33))).toBe('bad-request: the JSON is nested deeper than 32');
    expect(refusal(JSON.stringify({ text: `"\\${'[{'.repeat(100)}` }))).toBe('taken');
    expect(refusal('['.repeat(1_000_000))).toBe('bad-request: the JSON is nested deeper than 32');
  });

  it('has a bounded number of values', () => {
    expect(refusal(`[${'1,'.repeat(300_001)}1]`)).toBe('bad-request: the JSON has more than 300000 values');
  });

  it('gives no name twice in one object, however it is written', () => {
    expect(refusal('{"severity":"info","severity":"critical"}')).toBe(
      'bad-request: the JSON gives a name twice in one object',
    );
    expect(refusal('[{"a":{"b":1,"\\u0062":2}}]')).toBe('bad-request: the JSON gives a name twice in one object');
    expect(refusal('[{"a":1},{"a":1}]')).toBe('taken');
    expect(refusal('{"a":1,"a":2}', { tolerant: true })).toBe('taken');
  });

  it('has no field __proto__, however it is written', () => {
    expect(refusal('{"labels":{"__proto__":{"admin":true}}}')).toBe(
      'bad-request: the JSON has a field called __proto__',
    );
    expect(refusal('{"\\u005f_proto__":1}')).toBe('bad-request: the JSON has a field called __proto__');
  });

  it('is refused without repeating any of it when it is broken', () => {
    for (const text of [
      '{"password":"hunter2"',
      'hunter2',
      '{"a":hunter2}',
      '[1,]',
      '{a:1}',
      'NaN',
      '01',
      '"\u0001hunter2"',
    ]) {
      expect(refusal(text)).toMatch(/^bad-request: the body is not JSON/);
      expect(refusal(text)).not.toMatch(/hunter2|password/);
    }
    expect(refusal(Uint8Array.from([0x22, 0xff, 0xfe, 0x22]))).toBe('bad-request: the body is not UTF-8');
  });
});
