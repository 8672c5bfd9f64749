/** What a sender writes stays what somebody wrote, on every channel of the list: it changes no structure, address or header. */
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { channels } from '../../src/channels/index.ts';
import type { Notice } from '../../src/core/notice.ts';
import type { Vendor } from '../channels/vendors/vendor.ts';
import { callOf } from '../support/calls.ts';
import { startFakeSmtp } from '../support/fakes/smtp.ts';
import { HOSTILE, noticeOf } from '../support/notices.ts';

const all = channels as unknown as Channel[];
type Render = (notice: Notice, config: Record<string, unknown>) => unknown;
const renders = new Map<string, Render>();
const accepts = new Map<string, Vendor['accepts']>();
for (const { id } of all)
  accepts.set(id, ((await import(`../channels/vendors/${id}.ts`)) as { vendor: Vendor }).vendor.accepts);
for (const { id } of all) renders.set(id, ((await import(`../../src/channels/${id}.ts`)) as { render: Render }).render);

const MENTIONS = [
  '@channel',
  '@here',
  '@everyone',
  '<!channel>',
  '<!here>',
  '<!everyone>',
  '<!subteam^S1>',
  '<@U1>',
  '<#C1>',
  '<!date^1^{date}|x>',
];
const MARKUP = [
  '<https://evil.example|click>',
  '[click](https://evil.example)',
  'https://evil.example/pay',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'><svg/onload=alert(1)>",
  '</pre></td></table><form action=//evil.example>',
  '<!--[if mso]><!-->',
  '&lt;script&gt;',
  '&#60;script&#62;',
  '<a href="javascript:alert(1)">x</a>',
  '<style>*{display:none}</style>',
  '*bold* _it_ ~no~ `code` ```block``` > quote',
];
const HEADERS = [
  'x\r\nBcc: victim@example.com',
  'x\nSubject: other',
  'x\rX-Evil: 1',
  'x\r\n\r\n<h1>body</h1>',
  'x\u2028Bcc: a@b.c',
  'x\u0085Bcc: a@b.c',
  '=?utf-8?q?Bcc:_victim=40example.com?=',
];
const TERMINAL = [
  'x\u001b[2J',
  'x\u001b]0;title\u0007',
  'x\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007',
  'x\u009b2J',
  'x\b\b\b',
  'x\u202eevil',
  'x\u2066a\u2069',
  'a\u0000b',
  'a\ud800b',
];
const TEMPLATES = [
  '{{constructor.constructor("return process")()}}',
  '$'.concat('{process.env.HOME}'),
  '#{7*7}',
  '<%= 7*7 %>',
  '{title}',
  '%s %d %n',
  '__proto__',
  'constructor',
  '=HYPERLINK("https://evil.example")',
  '../../etc/passwd',
  "'; drop table events; --",
];

/** The case with one text in every place where a sender, or an operator's own words, may stand. */
function saying(notice: Notice, text: string): Notice {
  const { story, ...rest } = notice;
  return {
    ...rest,
    headline: text,
    lines: notice.lines.map(() => text),
    ...(notice.by === undefined ? {} : { by: text }),
    ...(notice.pattern === undefined ? {} : { pattern: text }),
    components: notice.components.map(() => text),
    links: notice.links.map(({ url }) => ({ title: text, url })),
    incident: { ...notice.incident, title: text, service: text, route: text },
    alerts: notice.alerts.slice(0, 3).map((alert) => ({
      ...alert,
      title: text,
      severity_word: text,
      type: text,
      source: text,
      service: text,
      components: [text],
      body: text,
      labels: { [text]: text },
      links: [{ title: text, url: 'https://example.com/' }],
      trace_id: text,
      request_id: text,
      context: { [text]: text },
      assignees: [text],
    })),
    ...(story ? { story: { ...story, name: text, counts: { [text]: text } } } : {}),
  };
}

/** Tables that are shown as they are, whose rows a sender may name: labels, counts, context. */
const TABLES = new Set(['custom_details']);

/** A rendering without what is said in it: names, kinds and numbers of things. */
function structureOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structureOf);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, TABLES.has(name) ? 'table' : structureOf(one)]),
  );
}

/** The markup in a text that a reader would obey: tags, mentions and links. */
const markupIn = (text: string): string[] =>
  [...text.matchAll(/<([a-z!/@#][^\s>|]*)/gi)].map(([, tag = '']) => tag.toLowerCase());

const stringsIn = (value: unknown): string[] => {
  const found: string[] = [];
  JSON.stringify(value, (_name, inner: unknown) => {
    if (typeof inner === 'string') found.push(inner);
    return inner;
  });
  return found;
};

/** Channels whose receiver is a program: it gets what was said as data, in JSON, and nothing is taken from it. */
const FOR_PROGRAMS = new Set(['webhook']);

/** What of a rendering its reader obeys as markup. A channel that is not named here has not been thought about. */
const OBEYED: Record<string, (rendered: unknown) => string[]> = {
  stdout: () => [], // A terminal obeys control characters alone, which are looked for everywhere;
  webhook: () => [], // a program, nothing.
  email: (rendered) => [(rendered as { html: string }).html],
  pagerduty: () => [], // It shows plain text;
  apprise: () => [], // text as well, which Apprise escapes for whoever shows it; its own test looks for mentions.
  'notion-database': () => [], // Texts of the API are plain: Notion reads no markup in them.
  slack: mrkdwnIn,
  'slack-webhook': mrkdwnIn,
};

/** Everything that Slack reads as mrkdwn; each says that bare names (`@here`) and addresses in it are only words. */
function mrkdwnIn(rendered: unknown): string[] {
  const texts = [(rendered as { text: string }).text];
  JSON.stringify(rendered, (_name, value: { type?: string; verbatim?: boolean; text?: string }) => {
    if (value?.type === 'mrkdwn') {
      texts.push(value.text ?? '');
      expect(value.verbatim).toBe(true);
    }
    return value;
  });
  expect(texts.length).toBeGreaterThan(1);
  return texts;
}

const CASES = ['one', 'many', 'acknowledged', 'resolved', 'story-end'] as const;

it('every channel of the list says what of it is obeyed', () => {
  expect(Object.keys(OBEYED).sort()).toEqual(all.map(({ id }) => id).sort());
});

describe.each(all)('on $id', (channel) => {
  const config = channel.config.parse(channel.sample);
  const render = (notice: Notice): unknown => renders.get(channel.id)?.(notice, config);

  it.each([
    ['a mention', MENTIONS],
    ['markup', MARKUP],
    ['a header', HEADERS],
    ['what drives a terminal', TERMINAL],
    ['a template', TEMPLATES],
  ])('%s is only a text', (_what, texts) => {
    const obeyed = (rendered: unknown): string[][] => (OBEYED[channel.id]?.(rendered) ?? []).map(markupIn);
    for (const name of CASES) {
      const plain = render(saying(noticeOf(name), 'word'));
      for (const text of texts) {
        const rendered = render(saying(noticeOf(name), text));
        expect([name, text, obeyed(rendered)]).toEqual([name, text, obeyed(plain)]);
        expect(JSON.stringify(rendered)).not.toMatch(/\[object|undefined|function/);
        if (FOR_PROGRAMS.has(channel.id)) continue;
        expect([name, text, structureOf(rendered)]).toEqual([name, text, structureOf(plain)]);
        for (const one of stringsIn(rendered)) {
          expect(one.isWellFormed()).toBe(true);
          expect(one).not.toMatch(/(?![\n\t])\p{Cc}|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
        }
      }
    }
  });

  it('what is said is not taken for a template, and arrives as it is', () => {
    const words = TEMPLATES.filter((text) => !/[<>&"'{}%#$]/.test(text));
    for (const text of words) expect(JSON.stringify(render(saying(noticeOf('one'), text)))).toContain(text);
  });

  it('names that every object has are only names', () => {
    const notice = noticeOf('one');
    const [alert] = notice.alerts;
    if (!alert) throw new Error('a notice without an alert');
    const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', 'then', 'toJSON', 'length'];
    const labels = Object.fromEntries(names.map((name) => [name, `label ${name}`]));
    const own = JSON.parse('{"__proto__":"label proto"}') as Record<string, string>;
    const rendered = render({ ...notice, alerts: [{ ...alert, labels: { ...labels, ...own } }] });
    expect(JSON.stringify(rendered)).not.toMatch(/\[native code\]|\[object/);
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });

  it('nothing that is said reaches an address, a header or an envelope', async () => {
    const smtp = channel.id === 'email' ? await startFakeSmtp() : undefined;
    const settings = smtp
      ? { ...channel.sample, host: smtp.host, port: smtp.port, tls: 'none', user: undefined, pass: undefined }
      : channel.sample;
    const sent: unknown[] = [];
    const fetch: typeof globalThis.fetch = async (url, init) => {
      sent.push([
        String(url),
        init?.method,
        [...new Headers(init?.headers)].filter(([name]) => name !== 'content-length' && name !== 'webhook-signature'),
      ]);
      const { status = 200, body } = accepts.get(channel.id) ?? { body: '' };
      return new Response(body, { status });
    };
    try {
      for (const text of ['word', HOSTILE, ...HEADERS]) {
        sent.length = 0;
        const outcome = await channel.send(callOf(channel, settings, { notice: saying(noticeOf('one'), text), fetch }));
        expect([text, outcome.kind]).toEqual([text, 'delivered']);
        const { to, from, headers } = smtp?.mails.at(-1) ?? {};
        const { subject: _subject, 'content-type': _boundary, date: _date, ...rest } = headers ?? {};
        sent.push([to, from, rest]);
        if (text === 'word') expect(sent.splice(0).map((one) => plainSent.push(one))).not.toEqual([]);
        else expect([text, sent]).toEqual([text, plainSent]);
      }
      expect(smtp?.refused ?? []).toEqual([]);
    } finally {
      await smtp?.close();
    }
  });
  const plainSent: unknown[] = [];
});
