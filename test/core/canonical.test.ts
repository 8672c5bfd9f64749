/** Canonical JSON against the vectors of RFC 8785, and against chance. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/core/canonical.ts';
import type { Json } from '../../src/core/event.ts';

describe('canonical JSON', () => {
  it('writes numbers, texts and literals as section 3.2.2 of the RFC shows', () => {
    const value = {
      // biome-ignore lint/correctness/noPrecisionLoss: the vector is about just that.
      numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0],
      string: '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\\u000f\\nA'B\\"\\\\\\\\\\"/"}`,
    );
  });

  it('sorts members by their UTF-16 code units, as section 3.2.3 shows', () => {
    const names = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const text = canonicalJson(Object.fromEntries(names.map((name) => [name, 0])));
    expect(text).toBe('{"\\r":0,"1":0,"\u0080":0,"\u00f6":0,"\u20ac":0,"\ud83d\ude00":0,"\ufb33":0}');
  });

  it.each([[Number.NaN], [Number.POSITIVE_INFINITY], ['\ud83d'], [{ '\ude00': 1 }]])('refuses %j', (value) => {
    expect(() => canonicalJson(value as Json)).toThrow();
  });

  it('is one text for one value, in whatever order its members came', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const turned = JSON.parse(JSON.stringify(value), (_, inner: unknown) =>
          typeof inner === 'object' && inner !== null && !Array.isArray(inner)
            ? Object.fromEntries(Object.entries(inner).reverse())
            : inner,
        ) as Json;
        const text = canonicalJson(turned);
        expect(text).toBe(canonicalJson(JSON.parse(JSON.stringify(value)) as Json));
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
