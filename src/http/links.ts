/** Links in messages: the page that says what an answer would do, and the button on it that gives the answer. */
import { z } from 'zod';
import { ANSWERS, answerInWords } from '../core/spoken.ts';
import { clip, oneLine } from '../core/text.ts';
import { type Asked, answerByToken, askedBy, type TokenResult } from '../ledger/tokens.ts';
import type { Deps } from './deps.ts';
import { type Answer, type Endpoint, endpoint } from './endpoint.ts';
import { escaped, pageOf, STYLE_SOURCE } from './page.ts';

/** A form with one short field. */
const FORM_MAX_BYTES = 4 * 1_024;
const NAME_MAX = 60;
const HTML = 'text/html';
const params = z.object({ token: z.string().regex(/^[\w-]{1,60}$/) });

export const links = ({ ledger, tokens, wake }: Pick<Deps, 'ledger' | 'tokens' | 'wake'>): Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/a/{token}',
    access: 'open',
    summary: 'See what a link of a message would answer',
    about: 'Looks and changes nothing, so that whoever checks the links of mails acknowledges nothing.',
    params,
    answers: { 200: { about: 'The page', media: HTML }, 404: { about: 'No link of ours', media: HTML } },
    async handle({ params: { token }, now }) {
      const asked = tokens ? await askedBy(ledger, tokens, token, now) : 'unknown';
      return typeof asked === 'string' ? GONE[asked] : page(200, ANSWERS[asked.action], question(asked));
    },
  }),
  endpoint({
    method: 'post',
    path: '/a/{token}',
    access: 'open',
    summary: 'Give the answer of a link',
    about: 'Once. The field name, of a form, says who answers.',
    params,
    takes: { kind: 'raw', media: 'any', limit: FORM_MAX_BYTES, schema: z.unknown() },
    answers: { 200: { about: 'How it ended', media: HTML }, 404: { about: 'No link of ours', media: HTML } },
    async handle({ params: { token }, raw, now, request_id }) {
      const given = clip(oneLine(new URLSearchParams(raw.toString('utf8')).get('name') ?? ''), NAME_MAX).trim();
      const actor = ({ target }: Asked) => ({
        by: `${given || 'somebody'} (link, ${target})`,
        key: `link:${target}`,
        request_id,
      });
      const result = tokens
        ? await answerByToken(ledger, tokens, token, actor, now)
        : ({ outcome: 'unknown' } as const);
      if (result.outcome === 'done') wake();
      return told(result);
    },
  }),
];

/** As for every page of ours, and the button posts to where the page came from. */
const POLICY = `default-src 'none';style-src ${STYLE_SOURCE};base-uri 'none';form-action 'self';frame-ancestors 'none'`;

const page = (status: number, title: string, body: string): Answer => ({
  status,
  type: HTML,
  headers: { 'content-security-policy': POLICY },
  body: pageOf(title, body),
});

const GONE = {
  unknown: page(
    404,
    'Nothing here',
    '<h1>Nothing here</h1><p>This is no link of ours, or its incident is long gone.</p>',
  ),
  expired: page(404, 'Expired', '<h1>This link has expired</h1><p>Answer from a newer message, or by the API.</p>'),
} as const;

/** What the link is about, and the button; who has used the link is told instead. */
function question({ action, incident, title, status, used }: Asked): string {
  const about = `<h1>${escaped(ANSWERS[action])}?</h1><p><b>${escaped(incident)}</b> ${escaped(title)}<br>It is ${escaped(status)} now.</p>`;
  if (used)
    return `${about}<p>This link was used by ${escaped(used.by)} at ${escaped(used.at)}, and is good for once.</p>`;
  if (status === 'resolved') return `${about}<p>It is over: there is nothing to answer.</p>`;
  return `${about}<form method="post"><label>Your name <input name="name" maxlength="${NAME_MAX}" autocomplete="name"></label>
<button>${escaped(ANSWERS[action])}</button></form>`;
}

function told(result: TokenResult): Answer {
  switch (result.outcome) {
    case 'done':
    case 'already': {
      const words = answerInWords(result, result.incident);
      return page(200, 'Answered', `<h1>${escaped(words)}</h1><p>${escaped(result.incident.title)}</p>`);
    }
    case 'closed':
      return page(200, 'Closed', `<h1>${escaped(result.incident.id)} is closed</h1><p>It takes no more answers.</p>`);
    case 'refused':
      return page(200, 'Not possible', `<h1>Not possible</h1><p>${escaped(result.why)}</p>`);
    case 'used':
      return page(
        200,
        'Used',
        `<h1>This link was used</h1><p>By ${escaped(result.by)} at ${escaped(result.at)}. It is good for once.</p>`,
      );
    case 'unknown':
    case 'expired':
      return GONE[result.outcome];
    default:
      return result satisfies never;
  }
}
