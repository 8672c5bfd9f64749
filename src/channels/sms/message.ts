/** A notice as a short message of at most two segments: what happened, which incident, how to answer, where to look. */
import { createHash } from 'node:crypto';
import { isPage, type Notice } from '../../core/notice.ts';
import { clip, oneLine, safeLink, tidy, toneOf } from '../../core/text.ts';
import { type Encoding, fitted, inGsm, segmentsOf } from './alphabet.ts';

/** Our own limit: each segment is paid for, and more is no page but a letter. Twilio takes 1,600 characters (error 21617). */
const SEGMENTS_MAX = 2;
/** A link that would take the place of the words is left out; one to answer by is worth more of them. */
const URL_MAX: Record<Encoding, { page: number; answer: number }> = {
  'GSM-7': { page: 100, answer: 150 },
  'UCS-2': { page: 50, answer: 75 },
};
/** More of one line can never be shown. */
const LINE_MAX = 320;
/** `INC-` and the largest number a database counts to. */
const ID_MAX = 23;
/** 32 signs, none of which looks like another; 4 of them tell the messages of one incident apart. */
const CODE_SIGNS = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const CODE_LENGTH = 4;

export interface ShortMessage {
  body: string;
  encoding: Encoding;
  segments: number;
}

/** `#K3F9` at the end of a message, constant over the attempts: what it is found by in Twilio's list after a lost answer. */
export function codeOf({ delivery }: Notice): string {
  const digest = createHash('sha256').update(delivery.key).digest();
  return `#${[...digest.subarray(0, CODE_LENGTH)].map((byte) => CODE_SIGNS[byte % CODE_SIGNS.length]).join('')}`;
}

/** @param hears whether a reply reaches somebody: a sender with a name instead of a number gets none. */
export function shortMessage(notice: Notice, hears: boolean): ShortMessage {
  const what = whatOf(notice);
  const small = inGsm(what);
  const encoding: Encoding = small === undefined ? 'UCS-2' : 'GSM-7';
  const tail = tailOf(notice, hears, URL_MAX[encoding]);
  const end = encoding === 'GSM-7' ? (inGsm(tail) ?? tail) : tail;
  const whole = (beginning: string) => `${beginning}\n${end}`;
  const body = whole(fitted(small ?? what, SEGMENTS_MAX, encoding, whole)).trim();
  return { body, encoding, segments: segmentsOf(body, encoding) };
}

/** Plain words of ours for one person, in as few segments. */
export function shortWords(words: string): string {
  const text = oneLine(words);
  const small = inGsm(text);
  return fitted(small ?? text, SEGMENTS_MAX, small === undefined ? 'UCS-2' : 'GSM-7', (beginning) => beginning);
}

/** Most important first, because the end is what is cut. A short message stands alone, so it always names its incident's title. */
function whatOf(notice: Notice): string {
  const { incident, lines, alerts, more, pattern } = notice;
  const headline = oneLine(notice.headline);
  // Of many alike alerts the title is only the first one's, and the pattern stands in the lines.
  const title = pattern === undefined && !headline.includes(oneLine(incident.title)) ? oneLine(incident.title) : '';
  const names = isPage(notice.reason) ? [headline, title] : [title, headline];
  const [lone] = alerts;
  const body = alerts.length + more === 1 && isPage(notice.reason) ? oneLine(tidy(lone?.body ?? '')) : '';
  const wanted = [...names, ...lines.map(oneLine), body].filter((line) => line !== '');
  return `${toneOf(notice).word}: ${[...new Set(wanted)].map((line) => clip(line, LINE_MAX)).join('\n')}`;
}

/** ASCII alone, whatever the alphabet. */
function tailOf(notice: Notice, hears: boolean, max: { page: number; answer: number }): string {
  const { incident, answers = [] } = notice;
  const id = oneLine(incident.id)
    .replace(/[^\w-]/g, '-')
    .slice(0, ID_MAX);
  const ack = answers.find(({ action }) => action === 'ack');
  const link = (url: string | undefined, max: number): string => {
    const href = url === undefined ? undefined : safeLink(url);
    return href === undefined || href.length > max ? '' : href;
  };
  const page = link(incident.url, max.page);
  const answer = ack && !hears ? link(ack.url, max.answer) : '';
  return [
    `${ack && hears ? `Reply ACK ${id}` : id} ${codeOf(notice)}`,
    ...(answer === '' ? [page] : [`Ack: ${answer}`]),
  ]
    .filter((line) => line !== '')
    .join('\n');
}
