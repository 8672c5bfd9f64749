/** Takes secrets out of what is about to be written: those we know, by value, and those we only recognise, by shape or name. */

export interface Redactor {
  /** The text without secrets; linear in its length. */
  text(text: string): string;
  /** A copy that is plain JSON: no secret values or keys, no bodies, errors as name, code and message. */
  value(value: unknown): unknown;
  /** From now on this value is a secret too. */
  add(secret: string): void;
}

export const MASK = '[redacted]';

/** Shorter ones would blank out half of every line; nobody should have a secret of three characters. */
const SHORTEST_SECRET = 4;
/** Part of a base64 text that is still worth looking for: 8 characters are 6 bytes. */
const SHORTEST_BASE64 = 8;
const DEEPEST = 10;
const LONGEST_LIST = 200;
const LONGEST_TEXT = 20_000;

/** Names of secrets as they stand in running text. */
const SPOKEN_NAMES =
  'password|passwd|secret|api[_-]?key|routing[_-]?key|access[_-]?token|refresh[_-]?token|client[_-]?secret';

/**
 * The shapes of the vendors' secrets (reference: each vendor's documentation on its tokens). Every pattern is linear:
 * what comes before an unbounded part is fixed, and two attempts never read the same characters again.
 */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  // Whole URLs that are keys: Slack, Discord, Microsoft Teams.
  [/(https:\/\/hooks\.slack(?:-gov)?\.com\/(?:services|workflows|triggers)\/)[^\s"'<>\\)\]}]+/gi, `$1${MASK}`],
  [/(\bdiscord(?:app)?\.com\/api\/(?:v\d{1,3}\/)?webhooks\/\d{1,30}\/)[\w-]+/gi, `$1${MASK}`],
  [/(\.webhook\.office\.com\/webhookb2\/)[^\s"'<>\\)\]}]+/gi, `$1${MASK}`],
  // Query parameters: Teams' and Azure's `sig`, Google Chat's `key` and `token`, and the rest of their kind.
  [/([?&](?:sig|signature|key|token|access_token|api_?key|secret|password|auth)=)[^\s&"'<>\\#]+/gi, `$1${MASK}`],
  // Telegram, before anything that might cut it in two.
  [/(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}/g, MASK],
  [/xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]+/g, MASK], // Slack
  [/xapp-\d-[A-Za-z0-9-]+/g, MASK],
  [/whsec_[A-Za-z0-9+/=_-]+/g, MASK], // Standard Webhooks
  [/(?:ntn|secret)_[A-Za-z0-9]{20,}/g, MASK], // Notion
  [/gh[pousr]_[A-Za-z0-9]{16,}/g, MASK], // GitHub
  [/github_pat_\w{16,}/g, MASK],
  [/lin_(?:api|oauth|wh)_[A-Za-z0-9]+/g, MASK], // Linear
  [/ATATT[\w=.-]{8,}/g, MASK], // Atlassian
  [/(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]+)?/g, MASK], // JSON Web Token
  [/(:\/\/)[^\s/@:"'<>\\]*:[^\s/@"'<>\\]*@/g, `$1${MASK}@`],
  [/\b(Bearer|GenieKey)\s{1,3}[^\s"',;<>\\]+/gi, `$1 ${MASK}`],
  [/\b(Basic)\s{1,3}[A-Za-z0-9+/=_-]{8,}/gi, `$1 ${MASK}`],
  [/\b(Token token=)[^\s"',;<>\\]+/gi, `$1${MASK}`], // PagerDuty REST
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-"]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g, MASK],
  // Named inside a text: `"api_key":"…"` (also quoted once more), then `password: …`, `routing_key=…`.
  [new RegExp(`((?:${SPOKEN_NAMES})\\\\?["']\\s{0,3}:\\s{0,3}\\\\?["'])[^\\s"'\\\\]+`, 'gi'), `$1${MASK}`],
  [new RegExp(`\\b((?:${SPOKEN_NAMES})\\s{0,3}[:=]\\s{0,3})(?!\\[redacted\\])[^\\s"'\\\\,;&}]+`, 'gi'), `$1${MASK}`],
];

/** Names whose value is never shown, however deep. Numbers stay: `tokens: 512` is no secret. */
const SECRET_NAMES =
  /authorization|cookie|token|secret|passw|passphrase|credential|signature|(?:api|private|routing|integration|service|access|signing|encryption)[_-]?key|^(?:pass|pwd|auth|sig|session|sessionid|dsn|jwt|x-api-key)$/i;

/** Names of addresses: of these the origin is shown, for the rest may be the key. */
const ADDRESS_NAMES = /(?:url|urls|uri|href|endpoint|webhook|webhooks)$/i;

/** Bodies and whole conversations of HTTP libraries: theirs to keep. */
const BODIES = new Set([
  'request',
  'response',
  'config',
  'body',
  'rawbody',
  'payload',
  'headers',
  'rawheaders',
  'options',
]);

export function createRedactor(secrets: readonly string[] = []): Redactor {
  let needles: string[] = [];
  const known = new Set<string>();

  const add = (secret: string): void => {
    if (secret.length < SHORTEST_SECRET) return;
    for (const form of formsOf(secret)) known.add(form);
    needles = [...known].sort((a, b) => b.length - a.length); // The longest first: one secret may begin another.
  };
  for (const secret of secrets) add(secret);

  const text = (input: string): string => {
    let output = input;
    for (const needle of needles) output = output.replaceAll(needle, MASK);
    for (const [shape, instead] of SHAPES) output = output.replace(shape, instead);
    return output;
  };

  const copy = (value: unknown, depth: number, above: ReadonlySet<object>): unknown => {
    switch (typeof value) {
      case 'string':
        return text(value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value);
      case 'bigint':
        return value.toString();
      case 'function':
      case 'symbol':
        return undefined;
      case 'object':
        break;
      default:
        return value;
    }
    if (value === null) return null;
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (value instanceof URL) return printUrl(value.href);
    if (value instanceof Error) return errorOf(value);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (above.has(value)) return '[circular]';
    if (depth >= DEEPEST) return '[too deep]';
    const inside = new Set(above).add(value);
    if (value instanceof Map)
      return fields(
        [...value].map(([key, item]) => [String(key), item]),
        depth,
        inside,
      );
    if (value instanceof Set) return list([...value], depth, inside);
    if (Array.isArray(value)) return list(value, depth, inside);
    if (value instanceof Headers) return fields([...value], depth, inside);
    return fields(entriesOf(value), depth, inside);
  };

  const fields = (entries: [string, unknown][], depth: number, above: ReadonlySet<object>): Record<string, unknown> => {
    const output: Record<string, unknown> = {};
    for (const [name, value] of entries) {
      Object.defineProperty(output, text(name), {
        value: field(name, value, depth, above),
        enumerable: true,
        configurable: true,
      });
    }
    return output;
  };

  const field = (name: string, value: unknown, depth: number, above: ReadonlySet<object>): unknown => {
    if (SECRET_NAMES.test(name)) return hidden(value) ? MASK : value;
    if (ADDRESS_NAMES.test(name)) return address(value, depth, above);
    return copy(value, depth + 1, above);
  };

  /** A URL, or a list or table of them, down to the origins. */
  const address = (value: unknown, depth: number, above: ReadonlySet<object>): unknown => {
    if (typeof value === 'string') return text(printUrl(value));
    if (typeof value !== 'object' || value === null || value instanceof URL || above.has(value) || depth >= DEEPEST) {
      return copy(value, depth + 1, above);
    }
    const inside = new Set(above).add(value);
    if (Array.isArray(value)) return value.slice(0, LONGEST_LIST).map((item) => address(item, depth + 1, inside));
    const entries = entriesOf(value).map(([name, item]) => [
      text(name),
      SECRET_NAMES.test(name) ? MASK : address(item, depth + 1, inside),
    ]);
    return Object.fromEntries(entries);
  };

  /** A list; where it is one of names and values in turn (raw headers, pairs), the values go by their names. */
  const list = (items: unknown[], depth: number, above: ReadonlySet<object>): unknown[] => {
    const output = items.slice(0, LONGEST_LIST).map((item, index) => {
      const before = items[index - 1];
      const named = typeof before === 'string' && before.length <= 64 && SECRET_NAMES.test(before);
      return named && hidden(item) ? MASK : copy(item, depth + 1, above);
    });
    if (items.length > LONGEST_LIST) output.push(`[${items.length - LONGEST_LIST} more]`);
    return output;
  };

  /** What of an error may be told: never what a library hung on it, which is the request with its keys. */
  const errorOf = (error: Error): Record<string, unknown> => {
    const { code, status, statusCode } = error as { code?: unknown; status?: unknown; statusCode?: unknown };
    const output: Record<string, unknown> = {
      name: text(error.name),
      message: text(String(error.message).slice(0, 2_000)),
    };
    if (typeof code === 'string' || typeof code === 'number')
      output.code = typeof code === 'string' ? text(code) : code;
    const answered = status ?? statusCode;
    if (typeof answered === 'number') output.status = answered;
    const frames = (error.stack ?? '').split('\n').filter((line) => /^\s{1,8}at /.test(line));
    if (frames.length > 0) output.stack = text(frames.slice(0, 12).join('\n'));
    // Of the cause the kind alone: undici says "fetch failed" and keeps ECONNREFUSED one level down.
    if (error.cause instanceof Error) {
      const { name, code: causeCode } = error.cause as Error & { code?: unknown };
      output.cause = text(typeof causeCode === 'string' ? causeCode : name);
    }
    return output;
  };

  return { text, add, value: (value) => copy(value, 0, new Set()) };
}

/**
 * Scheme and host of a URL, and that there was more: path and query of a webhook are its key.
 * @example printUrl('https://hooks.example.com/services/T0/B0/key') // 'https://hooks.example.com/…'
 */
export function printUrl(url: string): string {
  if (!URL.canParse(url)) return url.includes('/') || url.includes('?') ? '[not a URL]' : url;
  const { protocol, host, pathname, search, hash } = new URL(url);
  if (host === '') return `${protocol}…`;
  return `${protocol}//${host}${pathname.length > 1 || search !== '' || hash !== '' ? '/…' : ''}`;
}

const hidden = (value: unknown): boolean =>
  !(value == null || typeof value === 'number' || typeof value === 'boolean' || value === '');

function entriesOf(value: object): [string, unknown][] {
  const keys = Object.keys(value);
  const library = keys.filter((key) => BODIES.has(key.toLowerCase())).length >= 3; // An HTTP client's object, not ours.
  const entries: [string, unknown][] = [];
  for (const key of keys) {
    if (library && BODIES.has(key.toLowerCase())) continue;
    try {
      entries.push([key, (value as Record<string, unknown>)[key]]);
    } catch {
      entries.push([key, '[unreadable]']); // A getter that throws.
    }
  }
  return entries;
}

const quoted = (text: string): string => JSON.stringify(text).slice(1, -1);

/** A secret as it may be met: as it is, in JSON, in a URL, and in base64 at any of the three places it may begin. */
function formsOf(secret: string): string[] {
  const forms = [
    secret,
    quoted(secret),
    quoted(quoted(secret)), // JSON inside JSON: a body quoted in a message.
    encodeURIComponent(secret.toWellFormed()),
    encodeURI(secret.toWellFormed()),
  ];
  forms.push(new URLSearchParams({ s: secret }).toString().slice(2));
  const bytes = Buffer.from(secret);
  for (let before = 0; before < 3; before++) {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    // Only characters made of the secret's bits alone: 6 bits each, the first `before` bytes are somebody else's.
    const part = whole.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    if (part.length < SHORTEST_BASE64) continue;
    forms.push(part, part.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms.filter((form) => form.length >= SHORTEST_SECRET);
}
