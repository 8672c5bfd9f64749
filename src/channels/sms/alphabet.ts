/**
 * The two alphabets of a short message and what fits into a segment of each. A letter beyond the small one halves the
 * message, so signs are replaced for it and only letters (Korean, Cyrillic) make the large one worth its price.
 * https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
 */

/** 3GPP TS 23.038 section 6.2.1: the default alphabet, one septet each; without the escape. */
const BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà';
/** Section 6.2.1.1: two septets each, the escape first. */
const EXTENSION = '\f^{}\\[~]|€';
const SEPTETS: ReadonlyMap<string, number> = new Map([
  ...[...BASIC].map((char): [string, number] => [char, 1]),
  ...[...EXTENSION].map((char): [string, number] => [char, 2]),
]);

export type Encoding = 'GSM-7' | 'UCS-2';

/** 140 octets; of each part of a longer message six go to the header that joins the parts (3GPP TS 23.040 section 9.2.3.24). */
const SEGMENTS: Record<Encoding, { alone: number; joined: number; cost: (char: string) => number }> = {
  'GSM-7': { alone: 160, joined: 153, cost: (char) => SEPTETS.get(char) ?? 1 },
  'UCS-2': { alone: 70, joined: 67, cost: (char) => char.length },
};

/** What stands for a sign that the small alphabet lacks; those of letters with marks are found by taking the marks off. */
const INSTEAD: Readonly<Record<string, string>> = {
  ...inPairs('\u00ab"\u00bb"\u201c"\u201d"\u201e"\u201f"\u2033"\u2018\'\u2019\'\u201a\'\u201b\'\u2032\'\u00b4\'`\''),
  ...inPairs('\u2010-\u2011-\u2012-\u2013-\u2014-\u2015-\u2212-\u2022*\u00b7*\u00d7x\u2044/\u2248='),
  ...inPairs('\u00b5u\u03bcu\u0131i\u0142l\u0141L\u0111d\u0110D\u00f0d\u00d0D\u00a6|\u00a2c\t '),
  '…': '...',
  '≤': '<=',
  '≥': '>=',
  '≠': '!=',
  '→': '->',
  '←': '<-',
  '°': '',
  '₩': 'KRW ',
  œ: 'oe',
  Œ: 'OE',
  þ: 'th',
  Þ: 'Th',
};

/** `ab` as `{ a: 'b' }`, two characters at a time. */
function inPairs(text: string): Record<string, string> {
  const chars = [...text];
  return Object.fromEntries(chars.flatMap((char, index) => (index % 2 === 0 ? [[char, chars[index + 1] ?? '']] : [])));
}

/** The text in the small alphabet; undefined where a letter or a digit of it has no likeness there. */
export function inGsm(text: string): string | undefined {
  let out = '';
  for (const char of text) {
    const likeness = likenessOf(char);
    if (likeness === undefined) return undefined;
    out += likeness;
  }
  return out;
}

function likenessOf(char: string): string | undefined {
  const known = directly(char);
  if (known !== undefined) return known;
  const parts = [...char.normalize('NFKD').replace(/\p{M}/gu, '')].map(directly);
  if (parts.length > 0 && parts.every((part) => part !== undefined)) return parts.join('');
  if (/[\p{L}\p{N}]/u.test(char)) return undefined;
  // Emoji and what joins them say nothing that the words do not.
  if (/[\p{Extended_Pictographic}\p{M}\p{Cf}\p{Cc}\p{Emoji_Modifier}]/u.test(char)) return '';
  return /\p{Z}/u.test(char) ? ' ' : '?';
}

const directly = (char: string): string | undefined =>
  SEPTETS.has(char) ? char : Object.hasOwn(INSTEAD, char) ? INSTEAD[char] : undefined;

/** How many segments it is sent as, a character of two units never being parted. */
export function segmentsOf(text: string, encoding: Encoding): number {
  const { alone, joined, cost } = SEGMENTS[encoding];
  const chars = [...text];
  if (chars.reduce((sum, char) => sum + cost(char), 0) <= alone) return 1;
  let segments = 1;
  let used = 0;
  for (const char of chars) {
    if (used + cost(char) > joined) {
      segments++;
      used = 0;
    }
    used += cost(char);
  }
  return segments;
}

/** The beginning of `text` with which `around(beginning)` takes at most `max` segments; where it was cut it ends in dots. */
export function fitted(text: string, max: number, encoding: Encoding, around: (beginning: string) => string): string {
  const fits = (beginning: string) => segmentsOf(around(beginning), encoding) <= max;
  const room = SEGMENTS[encoding].joined * max;
  const chars = [...text.slice(0, 2 * room)];
  if (chars.join('') === text && fits(text)) return text;
  const dots = encoding === 'GSM-7' ? '...' : '…';
  for (let length = Math.min(chars.length, room); length > 0; length--) {
    const beginning = `${chars.slice(0, length).join('').trimEnd()}${dots}`;
    if (fits(beginning)) return beginning;
  }
  return '';
}
