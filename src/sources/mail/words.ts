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

/** How Alertmanager and Grafana begin: `[FIRING:2, RESOLVED:1]`. Last, in parentheses, stand the labels that all alerts share. */
const GROUP = /^\[(firing|resolved)(?::\d{1,6})?(?:, resolved:\d{1,6})?\]/i;

/** monit's, by its own list of events: `monit alert --  Connection failed web`; the name of what it checks is the last. */
const MONIT = new RegExp(
  [
    '^monit alert --\\s+(?<what>(?:[a-z]+ ){0,2}?)',
    '(?:does not exist|failed|exceeded|error|matched|down|(?<ends>exists|succeeded|ok|recovery|up))',
    ' (?<checked>.+)$',
  ].join(''),
  'i',
);

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
 * `not OK` is no end, and neither is what still fires beside what is over. `severities` are words of the operator's own, for which
 * anywhere is a mark.
 */
export function readSubject(
  subject: string,
  { severities, resolved }: { severities: Readonly<Record<string, Severity>>; resolved: readonly string[] },
): Said {
  const whole = subject.replace(REPLIES, '').trim();
  const group = GROUP.exec(whole);
  const monit = MONIT.exec(whole)?.groups;
  const bare = monit
    ? `monit ${monit.what}${monit.checked}`
    : group
      ? `[${group[1]}]${whole.slice(group[0].length)}`
      : whole;
  const shared = group && bare.includes('(') ? bare.lastIndexOf('(') : bare.length;
  const own = new Map(Object.entries(severities).map(([word, severity]) => [word.toLowerCase(), severity]));
  const over = new Set(resolved.map((word) => word.toLowerCase()));
  const said: Said = { isResolved: monit?.ends !== undefined && over.size > 0, about: '' };
  const left: string[] = [];
  let before = '';
  for (const { word, at, isMark, isCapital } of wordsOf(bare)) {
    const isSaid = isMark || at > shared;
    const plain = word.toLowerCase();
    const common = isCapital ? ONLY_BRACKETED : NEVER;
    const severity = own.get(plain) ?? (isSaid && !common.includes(plain) ? severityOf(plain) : undefined);
    const isEnd = isMark && over.has(plain) && before !== 'not';
    if (severity && said.severity === undefined) Object.assign(said, { severity, word });
    if (isEnd) said.isResolved = true;
    if (!severity && !(isMark && (over.has(plain) || STATE_WORDS.includes(plain)))) left.push(plain);
    before = plain;
  }
  said.about = left.join(' ') || bare.toLowerCase();
  return said;
}

function* wordsOf(text: string): Generator<{ word: string; at: number; isMark: boolean; isCapital: boolean }> {
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
    yield { word, at: found.index, isMark: isSet || isCapital, isCapital: isCapital && !isSet };
  }
}
