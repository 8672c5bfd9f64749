/** Raw mail as a letter: decoded, its HTML as text, what is attached only named. */
import { createHash } from 'node:crypto';
import PostalMime, { type Address, type Email } from 'postal-mime';
import type { Letter } from '../../sources/mail.ts';

/** Parts within parts, and headers of them all: more than any monitor sends, and far less than a parser can be choked by. */
const LIMITS = { maxNestingDepth: 30, maxHeadersSize: 128 * 1024, maxRfc822NestingDepth: 3 };
/** Of a conversation; the newest are the last. */
const REFERENCES_MAX = 50;
const ATTACHMENTS_MAX = 20;
/** An HTML body this long has said what it has to say. */
const HTML_MAX = 256 * 1024;

export interface Received {
  letter: Letter;
  /** The letters it answers, the first of the conversation first. */
  answers: string[];
  /** Why it is not to be an event: a machine's answer, or a mail of our own. */
  refusal?: string;
}

/** Reads a mail. Throws where it is no MIME that can be read within the limits. */
export async function letterIn(raw: Buffer): Promise<Received> {
  const mail = await PostalMime.parse(raw, LIMITS);
  const refusal = refusalOf(mail);
  const date = mail.date === undefined || Number.isNaN(Date.parse(mail.date)) ? undefined : new Date(mail.date);
  return {
    letter: {
      message_id: mail.messageId?.trim() || `<${createHash('sha256').update(raw).digest('hex')}>`,
      from: addressOf(mail.from),
      subject: mail.subject ?? '',
      text: mail.text?.trim() ? mail.text : textOf(mail.html ?? ''),
      ...(date ? { date: date.toISOString() } : {}),
      attachments: mail.attachments.slice(0, ATTACHMENTS_MAX).map(({ filename, mimeType, content }) => ({
        name: filename ?? '',
        type: mimeType,
        bytes: typeof content === 'string' ? content.length : content.byteLength,
      })),
    },
    answers: [...new Set(`${mail.references ?? ''} ${mail.inReplyTo ?? ''}`.match(/<[^<>\s]+>/g) ?? [])].slice(
      -REFERENCES_MAX,
    ),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

const addressOf = (address: Address | undefined): string => address?.address?.toLowerCase() ?? '';

/**
 * RFC 3834, section 5: an automatic answer says `auto-replied`; a monitor's mail is `auto-generated`, which is what we are
 * here for. Answers from before that RFC have names of their own.
 */
function refusalOf({ headers }: Email): string | undefined {
  const headerOf = (name: string): string =>
    headers
      .find(({ key }) => key === name)
      ?.value.trim()
      .toLowerCase() ?? '';
  if (headerOf('x-tocsin-incident') !== '' || headerOf('x-tocsin-delivery') !== '')
    return 'it is a mail of Tocsin itself';
  if (headerOf('auto-submitted').startsWith('auto-replied')) return 'it is an automatic answer';
  if (['auto_reply', 'auto-reply'].includes(headerOf('precedence'))) return 'it is an automatic answer';
  if (headerOf('x-autoreply') !== '' || headerOf('x-autorespond') !== '') return 'it is an automatic answer';
  return undefined;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** What a reader of the HTML would read, roughly: the text with its lines. Addresses of links are left out. */
function textOf(html: string): string {
  return html
    .slice(0, HTML_MAX)
    .split(/(?=<(?:script|style|head)\b|<!--)/i)
    .map((part) => part.replace(/^<(?:!--[\s\S]*?(?:-->|$)|(script|style|head)\b[\s\S]*?(?:<\/\1\s*>|$))/i, ' '))
    .join('')
    .replace(/<(?:br|\/p|\/div|\/tr|\/li|\/h[1-6]|\/table)\b[^<>]*>/gi, '\n')
    .replace(/<\/t[dh]\b[^<>]*>/gi, ' ')
    .replace(/<[^<>]*>/g, '')
    .replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi, (whole, decimal, hex, name: string | undefined) => {
      if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    })
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
