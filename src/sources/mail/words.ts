/** What a subject says beside its subject: how bad it is, whether it is over, and the rest, by which two mails are about one thing. */
import { type Severity, severityOf } from '../../core/event.ts';

/** Of monitors that tell of an end by mail: Nagios, Zabbix, Grafana, CloudWatch, UptimeRobot, Alertmanager's templates. */
export const RESOLVE_WORDS = ['resolved', 'recovered', 'recovery', 'ok', 'cleared'];
/** Said of either state, or of none: what is left without them is what the mail is about. */
const STATE_WORDS = ['problem', 'firing', 'alarm', 'alert', 'down', 'up', 'triggered', 'open', 'unknown'];

/** Too common in capitals to say how bad it is: `LOW DISK SPACE`, `SERVICE ALERT`. In brackets they do, except the last two. */
const ONLY_BRACKETED = ['high', 'low', 'medium', 'major', 'minor', 'page', 'notice', 'debug', 'alert', 'none'];
const NEVER = ONLY_BRACKETED.slice(-2);

/** `Re:`, `Fwd:`, `AW:` and the like, once or several times (RFC 5322, section 3.6.5). */
const REPLIES = /^(?:\s*(?:re|fwd?|aw|wg|sv|vs|antw)(?:\[\d{1,3}\])?\s*:)+/i;

interface Said {
  severity?: Severity;
  /** As it stands in the subject. */
  word?: string;
  isResolved: boolean;
  /** Without replies' marks, severities and states, in lower case. */
  about: string;
}

/**
 * Reads a subject. A word counts where it stands as a mark: within brackets, before a colon at the beginning, or in capitals.
 * `not OK` is no end. `severities` are words of the operator's own, for which anywhere is a mark.
 */
export function readSubject(
  subject: string,
  { severities, resolved }: { severities: Readonly<Record<string, Severity>>; resolved: readonly string[] },
): Said {
  const bare = subject.replace(REPLIES, '').trim();
  const own = new Map(Object.entries(severities).map(([word, severity]) => [word.toLowerCase(), severity]));
  const over = new Set(resolved.map((word) => word.toLowerCase()));
  const said: Said = { isResolved: false, about: '' };
  const left: string[] = [];
  let before = '';
  for (const { word, isMark, isCapital } of wordsOf(bare)) {
    const plain = word.toLowerCase();
    const common = isCapital ? ONLY_BRACKETED : NEVER;
    const severity = own.get(plain) ?? (isMark && !common.includes(plain) ? severityOf(plain) : undefined);
    const isEnd = isMark && over.has(plain) && before !== 'not';
    if (severity && said.severity === undefined) Object.assign(said, { severity, word });
    if (isEnd) said.isResolved = true;
    if (!severity && !(isMark && (over.has(plain) || STATE_WORDS.includes(plain)))) left.push(plain);
    before = plain;
  }
  said.about = left.join(' ') || bare.toLowerCase();
  return said;
}

function* wordsOf(text: string): Generator<{ word: string; isMark: boolean; isCapital: boolean }> {
  const firstColon = text.search(/[:|]/);
  for (const found of text.matchAll(/[\p{L}\p{N}_./%@#-]+/gu)) {
    const word = found[0].replace(/^[-./]+|[-./]+$/g, '');
    if (word === '') continue;
    const end = found.index + found[0].length;
    const isBracketed =
      /[[(<{*]\s*$/.test(text.slice(0, found.index).slice(-3)) && /^\s*[\])>}*:]/.test(text.slice(end, end + 3));
    const isFirst = found.index === 0 && end === firstColon;
    const isCapital = word.length > 1 && word === word.toUpperCase() && /\p{Lu}/u.test(word);
    const isSet = isBracketed || isFirst;
    yield { word, isMark: isSet || isCapital, isCapital: isCapital && !isSet };
  }
}
