import { describe, expect, it } from 'vitest';
import { createLog } from '../../src/observe/log.ts';
import { createRedactor, MASK, printUrl } from '../../src/observe/redact.ts';

/** A secret whose parts are all unlike ordinary words, and which changes when it is quoted, escaped or encoded. */
const CANARY = 'canary/4f"9 +é?=zq81';

/** Everything the log writes for one call, whole lines. */
function logged(secrets: string[], act: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = [];
  act(createLog({ level: 'trace', secrets, destination: { write: (line) => void lines.push(line) } }));
  return lines;
}

describe('a secret we know', () => {
  const redactor = createRedactor([CANARY]);
  const base64 = (before: string, after: string): string =>
    Buffer.from(`${before}${CANARY}${after}`).toString('base64');

  it.each([
    ['as it is', `got ${CANARY}.`],
    ['in JSON', JSON.stringify({ a: CANARY })],
    ['in a URL', `https://x.test/?q=${encodeURIComponent(CANARY)}&b=1`],
    ['in a form', new URLSearchParams({ q: CANARY }).toString()],
    ['in base64', base64('', '')],
    ['in base64 after one byte', base64('a', 'xyz')],
    ['in base64 after two bytes', base64('ab', 'x')],
    ['in base64 after a name and a colon', base64('someone:', '')],
  ])('is taken out %s', (_how, text) => {
    const output = redactor.text(text);
    expect(output).toContain(MASK);
    for (const piece of ['canary', '9 +', 'zq81', 'Y2FuYXJ5', 'canary%2F', 'enE4M', '6cTgx', 'NxOD'])
      expect(output).not.toContain(piece);
  });

  it('is taken out in the URL-safe alphabet too', () => {
    const bytes = '>>>???~~~canary';
    const output = createRedactor([bytes]).text(Buffer.from(bytes).toString('base64url'));
    expect(output).toBe(MASK);
  });

  it('is taken out from the moment it is added', () => {
    const later = createRedactor();
    expect(later.text('tiger-lily')).toBe('tiger-lily');
    later.add('tiger-lily');
    expect(later.text('a tiger-lily b')).toBe(`a ${MASK} b`);
  });

  it('that begins another one does not leave the other one’s end behind', () => {
    expect(createRedactor(['tiger', 'tiger-lily']).text('tiger-lily tiger')).toBe(`${MASK} ${MASK}`);
  });

  it('of three characters or fewer is left alone, for it would blank out half of every line', () => {
    expect(createRedactor(['e', '']).text('every line')).toBe('every line');
  });
});

describe('a secret by its shape', () => {
  const { text } = createRedactor();
  const R = 'Q7'.repeat(24);

  it.each([
    ['Slack bot token', `xoxb-1234567890-${R}`],
    ['Slack app token', `xapp-1-A123-456-${R}`],
    ['Slack webhook', `https://hooks.slack.com/services/T000/B000/${R}`],
    ['Slack workflow', `https://hooks.slack.com/triggers/T000/1/${R}`],
    ['Discord webhook', `https://discord.com/api/webhooks/123456/${R}`],
    ['older Discord webhook', `https://ptb.discordapp.com/api/v10/webhooks/123456/${R}`],
    ['Teams workflow', `https://x.logic.azure.com:443/workflows/1/triggers?api-version=1&sig=${R}`],
    ['Google Chat', `https://chat.googleapis.com/v1/spaces/A/messages?key=a&token=${R}`],
    ['Standard Webhooks', `whsec_${R}`],
    ['Notion', `ntn_${R}`],
    ['older Notion', `secret_${R}`],
    ['GitHub', `ghp_${R}`],
    ['GitHub app', `ghs_${R}`],
    ['fine-grained GitHub', `github_pat_${R}`],
    ['Linear', `lin_api_${R}`],
    ['Atlassian', `ATATT3xFf${R}=1A2B`],
    ['Telegram', `https://api.telegram.org/bot123456789:${R}/sendMessage`],
    ['JSON Web Token', `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${R}`],
    ['URL with a password', `postgres://tocsin:${R}@db.test:5432/tocsin`],
    ['Bearer', `authorization: Bearer ${R}`],
    ['Basic', `Basic ${R}==`],
    ['PagerDuty', `Token token=${R}`],
    ['JSON in a text', `failed with {"api_key":"${R}"}`],
    ['JSON in JSON', JSON.stringify(`{"password":"${R}"}`)],
    ['a setting', `routing_key=${R}, other=1`],
    ['a private key', `-----BEGIN RSA PRIVATE KEY-----\n${R}\n-----END RSA PRIVATE KEY-----`],
  ])('%s', (_name, input) => {
    expect(text(`before ${input} after`)).not.toContain(R.slice(0, 12));
    expect(text(`before ${input} after`)).toMatch(/^before .*\[redacted\].*$/s);
  });

  it('leaves ordinary lines as they are', () => {
    for (const line of [
      'INC-1042 told ops-slack after 18 ms, because group_wait has passed',
      'tokens: 512, secrets are fine, password too short',
      'https://grafana.test/d/abc?orgId=1&from=now-1h',
      '2026-11-20T10:00:00.000Z 10.0.0.1:8080 → 202',
    ]) {
      expect(text(line)).toBe(line);
    }
  });

  it('keeps what it has masked once', () => {
    const once = text(`password: ${R} Bearer ${R} https://u:${R}@x.test/?sig=${R}`);
    expect(text(once)).toBe(once);
  });

  it('takes time that grows with the length, not with its square', () => {
    const time = (input: string): number => {
      const startedAt = performance.now();
      text(input);
      return performance.now() - startedAt;
    };
    for (const part of [
      'eyJ',
      'eyJ-',
      '-eyJ',
      '://a:',
      '://',
      'Bearer ',
      'bot12345678:',
      '-----BEGIN ',
      'password : ',
      '?sig=',
      'discord.com/api/webhooks/1',
      'xoxb',
      'secret_',
    ]) {
      time(part.repeat(2_000)); // Compiled by now.
      expect(time(part.repeat(Math.ceil(1_000_000 / part.length))), part).toBeLessThan(2_000);
    }
  });
});

describe('a value', () => {
  const { value } = createRedactor([CANARY]);

  it('loses what stands under a secret’s name, at every depth and however it is written', () => {
    const output = value({
      Authorization: 'one-canary',
      a: [{ b: { 'Set-Cookie': ['two-canary'], apiKey: 'three-canary', api_key: { x: 'four-canary' } } }],
      routingKey: 'five-canary',
      smtp: { user: 'mailer', pass: 'six-canary' },
      env: new Map([['NOTION_API_TOKEN', 'seven-canary']]),
      raw: ['Host', 'x.test', 'Authorization', 'eight-canary', 'Cookie', 'nine-canary'],
      pairs: new Headers({ authorization: 'ten-canary', accept: '*/*' }),
    });
    expect(JSON.stringify(output)).not.toContain('canary');
    expect(output).toMatchObject({ smtp: { user: 'mailer', pass: MASK }, pairs: { accept: '*/*' } });
  });

  it('keeps numbers, truth values and nothing under such names', () => {
    expect(value({ tokens: 512, secret: null, has_secret: true, token: '' })).toEqual({
      tokens: 512,
      secret: null,
      has_secret: true,
      token: '',
    });
  });

  it('shows of addresses only where they lead', () => {
    expect(
      value({
        url: 'https://hooks.test/T0/B0/canary',
        urls: { critical: 'https://hooks.test/canary' },
        webhooks: ['https://a.test/canary'],
      }),
    ).toEqual({
      url: 'https://hooks.test/…',
      urls: { critical: 'https://hooks.test/…' },
      webhooks: ['https://a.test/…'],
    });
    expect(value({ at: new URL('https://hooks.test/canary') })).toEqual({ at: 'https://hooks.test/…' });
    expect(printUrl('postgres://u:canary@db.test:5432/x')).toBe('postgres://db.test:5432/…');
    expect(printUrl('https://a.test/')).toBe('https://a.test');
    expect(printUrl('/v1/hooks/canary')).not.toContain('canary');
  });

  it('tells of an error its name, code, message and cause’s code, and nothing a library hung on it', () => {
    const cause = Object.assign(new Error(`connect with ${CANARY}`), { code: 'ECONNREFUSED', body: CANARY });
    const error = Object.assign(new TypeError(`fetch failed for ${CANARY}`, { cause }), {
      code: 'E_SENT',
      status: 502,
      config: { headers: { x: CANARY } },
      request: CANARY,
      response: { data: CANARY },
    });
    const output = value({ err: error }) as { err: Record<string, unknown> };
    expect(Object.keys(output.err).sort()).toEqual(['cause', 'code', 'message', 'name', 'stack', 'status']);
    expect(output.err).toMatchObject({
      name: 'TypeError',
      code: 'E_SENT',
      status: 502,
      cause: 'ECONNREFUSED',
      message: `fetch failed for ${MASK}`,
    });
    expect(JSON.stringify(output)).not.toContain('canary');
  });

  it('is copied whatever its form: rings, depths, bytes, throwing getters, names that are secrets', () => {
    const ring: Record<string, unknown> = {
      at: new Date(0),
      many: new Array(1_000).fill('x'),
      bytes: Buffer.from(CANARY),
      big: 10n,
    };
    ring.self = ring;
    ring[CANARY] = 1;
    Object.defineProperty(ring, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    let deep: unknown = CANARY;
    for (let i = 0; i < 5_000; i++) deep = [deep];
    const output = value({ ring, deep, ['__proto__']: { a: CANARY } });
    expect(JSON.stringify(output)).not.toContain('canary');
    expect(output).toMatchObject({
      ring: { at: '1970-01-01T00:00:00.000Z', self: '[circular]', bad: '[unreadable]', big: '10' },
    });
  });
});

describe('the log', () => {
  it('writes no secret, wherever it was', () => {
    const cause = Object.assign(new Error(`cause ${CANARY}`), { response: { data: CANARY } });
    const error = Object.assign(new Error(`message ${CANARY}`, { cause }), { config: { token: CANARY } });
    const lines = logged([CANARY], (log) => {
      log.info({ a: { b: [{ c: CANARY, Authorization: 'canary-2' }] } }, 'nested');
      log.info(`in the message: ${CANARY}`);
      log.info('in the arguments: %s %j', CANARY, { x: CANARY });
      log.error(error);
      log.error({ err: error, error }, 'as a field');
      log.child({ integration: CANARY, password: 'canary-3' }).warn('of a child');
      log.info({ headers: { 'X-Api-Key': 'canary-4' }, [CANARY]: 1 }, 'as a name');
    });
    expect(lines).toHaveLength(7);
    for (const line of lines) {
      expect(line).not.toMatch(/canary|zq81/);
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), time: expect.any(String) });
    }
    expect(JSON.parse(lines[3] ?? '')).toMatchObject({ msg: `message ${MASK}`, err: { name: 'Error' } });
    expect(JSON.parse(lines[5] ?? '')).toMatchObject({ integration: MASK, password: MASK });
  });

  it('stays JSON whatever it has taken out', () => {
    const fields = {
      note: 'say "password": "hunter2-canary" and {"secret":null,"api_key":true}',
      pem: '-----BEGIN PRIVATE KEY-----\nabc\n',
      after: 'kept',
      secret: null,
      token: 5,
      text: 'Bearer abc\\def" ://u:p@x',
    };
    const [line = ''] = logged([], (log) => log.info(fields, 'done'));
    expect(JSON.parse(line)).toMatchObject({ after: 'kept', secret: null, token: 5, msg: 'done' });
    expect(line).not.toContain('canary');
  });

  it('keeps quiet below its level', () => {
    expect(logged([], (log) => log.child({}, { level: 'error' }).warn('no'))).toEqual([]);
  });
});
