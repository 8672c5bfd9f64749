/** What a sender writes stays what somebody wrote, on every channel of the list: it changes no structure, address or header. */
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { channels } from '../../src/channels/index.ts';
import type { Notice } from '../../src/core/notice.ts';
import type { Vendor } from '../channels/vendors/vendor.ts';
import { callOf } from '../support/calls.ts';
import { startFakeSmtp } from '../support/fakes/smtp.ts';
import { HOSTILE, noticeOf } from '../support/notices.ts';
import {
  discordObeys,
  gitHubObeys,
  jiraObeys,
  linearObeys,
  slackObeys,
  tagsIn,
  teamsObeys,
  telegramObeys,
} from '../support/readers.ts';

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
  '<@123456789012345678>',
  '<@&123456789012345678>',
  '<#123456789012345678>',
  '</ack:123456789012345678>',
  '<t:0:R>',
  '<:x:123456789012345678>',
  '<at>everybody</at>',
  '[~accountid:5b10ac8d82e05b22cc7d4ef5]',
  '@octocat and (@octocat)',
  'acme/shop#1 and GH-1',
  'victim@evil.example, victim@-evil.example',
  '_@octocat_ *@octocat* ~@octocat~',
  'tg://user?id=1',
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
  '![x](https://evil.example/x.png)',
  '\\[click](https://evil.example)',
  '\\\\[click](https://evil.example)',
  'click](https://evil.example)',
  '[x][1]\n\n[1]: https://evil.example',
  '[x]: https://evil.example',
  'www.evil.example',
  '_www.evil.example_ *www.evil.example*',
  'http:\\/\\/evil.example',
  '# heading',
  '> quote',
  '>>> quote',
  '-# small',
  '- item',
  '1. item',
  '[ ] task',
  '---',
  'x\n===',
  '~~~',
  '~~~~\n```\n`````',
  '```\n<b>x</b>',
  '|| x || y | z',
  '$x^2$ and $`x`$',
  '--> <b>x</b>',
  ']]> --!> x',
  '<details><summary>x',
  '{{DATE(2026-01-15T00:00:00Z, SHORT)}}',
  '{panel}x{panel} h1. x {code}',
  'x\\',
];
/** Addresses of links that a sender may give; what is no web address is no link at all. */
const ADDRESSES = [
  'https://evil.example/?x\\',
  'https://evil.example/a)[x](https://other.example)',
  'https://evil.example/?)[x](https://other.example)',
  'https://evil.example/> [x](https://other.example)',
  'https://evil.example/?<@U1>&<!channel>',
  'https://evil.example/#<b>|x>`*_~',
  'https://evil.example/?"onmouseover="alert(1)',
  "https://evil.example/?'><b>@everyone",
  'https://evil.example/?a|b||c',
  'https://evil.example/?&lt;b&gt;&#64;',
  'https://evil.example/\u202e\u2028\r\nx',
];
const NO_ADDRESSES = [
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,<b>x</b>',
  'vbscript:x',
  'file:///etc/passwd',
  'tg://user?id=1',
  'slack://open',
  'discord://x',
  'x',
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

/** The case with one text in every place where a sender, or an operator's own words, may stand; the description may be another. */
function saying(notice: Notice, text: string, body = text): Notice {
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
      body,
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

/**
 * Channels whose format knows a line only as a part of its own, so that the description of a lone alert has as many parts
 * as lines. It alone may: what is compared with has as many lines there, and everywhere else one.
 */
const KEEPS_LINES = new Set(['teams', 'jira']);

/** `word` in every line of the text that says something. */
const wordsIn = (text: string): string => text.replace(/\r\n?|[\u2028\u2029]/g, '\n').replace(/^.*\S.*$/gm, 'word');

/** What of a rendering its reader obeys as markup. A channel that is not named here has not been thought about. */
const OBEYED: Record<string, (rendered: unknown) => string[]> = {
  stdout: () => [], // A terminal obeys control characters alone, which are looked for everywhere;
  webhook: () => [], // a program, nothing;
  sms: () => [], // and a telephone shows what it gets.
  email: (rendered) => tagsIn((rendered as { html: string }).html),
  pagerduty: () => [], // It shows plain text;
  apprise: () => [], // text as well, which Apprise escapes for whoever shows it; its own test looks for mentions.
  'notion-database': () => [], // Texts of the API are plain: Notion reads no markup in them.
  slack: slackObeys,
  'slack-webhook': slackObeys,
  discord: discordObeys,
  teams: teamsObeys,
  telegram: telegramObeys,
  jira: jiraObeys,
  linear: linearObeys,
  github: gitHubObeys,
};

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
    const obeyed = (rendered: unknown): string[] => OBEYED[channel.id]?.(rendered) ?? [];
    for (const name of CASES) {
      for (const text of texts) {
        const body = KEEPS_LINES.has(channel.id) ? wordsIn(text) : 'word';
        const plain = render(saying(noticeOf(name), 'word', body));
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

  it('an address in a link is that link’s alone, and what is none is no link', () => {
    const linking = (url: string): Notice => {
      const notice = saying(noticeOf('one'), 'word');
      const links = [
        { title: 'word', url },
        { title: 'word', url: 'https://example.com/2' },
      ];
      return { ...notice, links, alerts: notice.alerts.map((alert) => ({ ...alert, links })) };
    };
    const obeyed = (url: string): string[] => {
      const rendered = render(linking(url));
      const own = OBEYED[channel.id]?.(rendered) ?? [];
      return own.map((one) => one.replace(/https:\/\/evil\.example[^>"]*/g, 'https://evil.example'));
    };
    for (const url of ADDRESSES) expect([url, obeyed(url)]).toEqual([url, obeyed('https://evil.example/')]);
    for (const url of NO_ADDRESSES) {
      if (FOR_PROGRAMS.has(channel.id)) continue;
      expect([url, obeyed(url)]).toEqual([url, obeyed('about:blank')]);
      const shown = stringsIn(render(linking(url))).filter((one) => one.startsWith(url) || one.includes(`"${url}`));
      expect(url.includes(':') ? shown : []).toEqual([]);
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
      const { status = 200, body, answer } = accepts.get(channel.id) ?? { body: '' };
      const told = answer?.(init?.method ?? 'GET', new URL(String(url)).pathname) ?? body;
      return new Response(told, { status });
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

it.each(['status', 'check', 'deployment'] as const)(
  'of GitHub’s, a %s takes nothing that is said for markup',
  (kind) => {
    const channel = channels.find(({ id }) => id === 'github') as unknown as Channel;
    const config = { ...channel.config.parse(channel.sample), kind };
    const on = (notice: Notice): Notice => {
      const place = { repository: 'acme/shop', sha: 'a'.repeat(40), deployment_id: '7', environment: 'production' };
      const alerts = notice.alerts.map((alert) => ({ ...alert, labels: { ...alert.labels, ...place } }));
      return { ...notice, alerts };
    };
    const render = (notice: Notice): unknown => renders.get('github')?.(on(notice), config);
    for (const name of CASES) {
      const plain = render(saying(noticeOf(name), 'word'));
      expect(plain).not.toHaveProperty('body');
      for (const text of [...MENTIONS, ...MARKUP, ...HEADERS, ...TERMINAL, ...TEMPLATES]) {
        const rendered = render(saying(noticeOf(name), text));
        expect([name, text, gitHubObeys(rendered)]).toEqual([name, text, gitHubObeys(plain)]);
        expect([name, text, structureOf(rendered)]).toEqual([name, text, structureOf(plain)]);
      }
    }
  },
);
