/** A change of an integration's fields: what it keeps, what it takes away, and which secrets stray with an address. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { merged, strayedSecrets, without, withoutSecrets, withSecrets } from '../../src/config/change.ts';
import type { Json } from '../../src/core/event.ts';

const secret = z.string().meta({ writeOnly: true });
const kind = {
  config: z.strictObject({
    token: secret.optional(),
    api_url: z.url().default('https://api.example.com'),
    host: z.string().meta({ format: 'hostname' }).optional(),
    hook: z.url().meta({ writeOnly: true }).optional(),
    urls: z.strictObject({ critical: z.url().meta({ writeOnly: true }).optional() }).optional(),
    headers: z.record(z.string(), secret).optional(),
    people: z.array(z.strictObject({ name: z.string(), pass: secret })).optional(),
    room: z.string().optional(),
  }),
};

describe('a merge patch', () => {
  // RFC 7396, appendix A.
  it.each<[Json, Json, Json]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('of %j by %j is %j', (old, patch, result) => {
    expect(merged(old, patch)).toEqual(result);
  });
});

describe('secret fields', () => {
  const whole = {
    token: 't',
    room: 'r',
    urls: { critical: 'https://a.example/1' },
    headers: { 'x-key': 'k', 'a.b': 'l' },
    people: [
      { name: 'ana', pass: 'p' },
      { name: 'bo', pass: 'q' },
    ],
  };

  it('are taken out by their paths and put back where they were', () => {
    const { config, secrets } = withoutSecrets(whole, kind);
    expect(JSON.stringify(config)).not.toMatch(/"[tklpq]"|a\.example/);
    expect(config).toMatchObject({ room: 'r', headers: {}, people: [{ name: 'ana' }, { name: 'bo' }] });
    expect(secrets).toContainEqual([['headers', 'a.b'], 'l']);
    expect(withSecrets(JSON.parse(JSON.stringify(config)), JSON.parse(JSON.stringify(secrets)))).toEqual(whole);
  });

  it('may be alone in what they are in', () => {
    expect(withSecrets({}, [[['urls', 'critical'], 'x']])).toEqual({ urls: { critical: 'x' } });
    expect(without({ token: 't', urls: { critical: 'x' } }, [['token'], ['urls', 'critical']])).toEqual({ urls: {} });
  });

  it('of a wrong shape are secrets all the same', () => {
    const { config, secrets } = withoutSecrets({ token: { deep: 'canary' }, headers: 'text' }, kind);
    expect(JSON.stringify(config)).not.toContain('canary');
    expect(secrets).toEqual([[['token'], { deep: 'canary' }]]);
  });
});

describe('a kept secret', () => {
  const strayed = (before: object, patch: { [field: string]: Json }): string[] => {
    const old = before as { [field: string]: Json };
    const after = merged(old, patch);
    const { secrets } = withoutSecrets(old, kind);
    return strayedSecrets(
      { config: kind.config.parse(old), secrets },
      { config: kind.config.parse(after), patch },
      kind,
    ).map((path) => path.join('.'));
  };

  it('stays where no address leads to another host', () => {
    expect(strayed({ token: 't' }, { room: 'x' })).toEqual([]);
    expect(strayed({ token: 't' }, { api_url: 'https://api.example.com/v2' })).toEqual([]);
    expect(strayed({ token: 't', api_url: 'https://a.example/1' }, { api_url: 'https://A.example/2' })).toEqual([]);
    expect(strayed({ token: 't', host: 'mail.example' }, { host: 'MAIL.example' })).toEqual([]);
  });

  it.each<[string, object, { [field: string]: Json }]>([
    ['another host', { token: 't' }, { api_url: 'https://evil.example' }],
    ['a name that only begins alike', { token: 't' }, { api_url: 'https://api.example.com.evil.example' }],
    ['another port', { token: 't' }, { api_url: 'https://api.example.com:8443' }],
    ['no TLS', { token: 't' }, { api_url: 'http://api.example.com' }],
    ['a user name before another host', { token: 't' }, { api_url: 'https://api.example.com@evil.example' }],
    ['the default host', { token: 't', api_url: 'https://own.example' }, { api_url: null }],
    ['another mail server', { token: 't', host: 'mail.example' }, { host: 'evil.example' }],
    ['a host where there was none', { token: 't' }, { host: 'evil.example' }],
    [
      'another host, although the address itself is secret',
      { token: 't', hook: 'https://a.example' },
      { hook: 'https://b.example' },
    ],
  ])('goes where an address leads to %s', (_words, before, patch) => {
    expect(strayed(before, patch)).toEqual(['token']);
  });

  it('stays where it is given anew, or taken away, or is an address itself', () => {
    const elsewhere = { api_url: 'https://evil.example' };
    expect(strayed({ token: 't' }, { ...elsewhere, token: 'new' })).toEqual([]);
    expect(strayed({ token: 't' }, { ...elsewhere, token: null })).toEqual([]);
    expect(strayed({ hook: 'https://a.example/x', urls: { critical: 'https://a.example/y' } }, elsewhere)).toEqual([]);
  });

  it('of several goes unless it is this one that is given', () => {
    const before = { token: 't', headers: { one: '1', two: '2' } };
    expect(strayed(before, { api_url: 'https://evil.example', headers: { two: 'new' } })).toEqual([
      'token',
      'headers.one',
    ]);
    expect(strayed(before, { api_url: 'https://evil.example', headers: {} })).toEqual([
      'token',
      'headers.one',
      'headers.two',
    ]);
    expect(strayed(before, { api_url: 'https://evil.example', headers: null, token: 'x' })).toEqual([]);
  });
});
