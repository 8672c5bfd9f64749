/** Silences as Alertmanager's API v2 writes them: read from a body, shown, filtered and ordered by its rules. */
import { type Compile, type Matcher, matcherOf } from '../match.ts';
import { operatorOf, type Silence, type SilenceMatcher, stateOf } from '../silence.ts';
import { compiled } from './filter.ts';

/** A body that asks for a silence, as go-openapi has checked it. */
export interface PostedSilence {
  id?: string;
  matchers: SilenceMatcher[];
  starts_at: Date;
  ends_at: Date;
  created_by: string;
  comment: string;
}

/** `code` from 600 on: go-openapi's 602 (something is absent) and 612 (too few), answered 422. */
export interface UnreadSilence {
  code: number;
  message: string;
}

/** More than anybody writes by hand: each is asked of every event. */
const MATCHERS_MAX = 100;
/** Characters of any text in it. */
const TEXT_MAX = 4_000;

/** Checks a body in the order in which Alertmanager does: types, then what is required, by name. */
export function readSilence(body: unknown): PostedSilence | UnreadSilence {
  const given = body === null ? {} : body;
  if (typeof given !== 'object' || Array.isArray(given)) return unreadable('the body has to be an object');
  const { id, comment, createdBy, startsAt, endsAt, matchers } = given as Record<string, unknown>;
  for (const [name, text] of Object.entries({ id, comment, createdBy })) {
    if (text === undefined || text === null) continue;
    if (typeof text !== 'string') return unreadable(`${name} has to be a text`);
    if (text.length > TEXT_MAX || text.includes('\0'))
      return unreadable(`${name} has at most ${TEXT_MAX} characters and no NUL`);
  }
  if (matchers !== undefined && matchers !== null && !Array.isArray(matchers))
    return unreadable('matchers has to be an array');
  const times = [startsAt, endsAt].map(timeOf);
  if (times.includes('wrong')) return unreadable('startsAt and endsAt have to be times of RFC 3339');
  const listed: unknown[] = Array.isArray(matchers) ? matchers : [];
  if (listed.length > MATCHERS_MAX) return unreadable(`at most ${MATCHERS_MAX} matchers are taken`);
  const problem = listed.map(matcherProblem).find((found) => found !== undefined);
  if (problem !== undefined) return unreadable(problem);

  const [starts_at, ends_at] = times;
  if (typeof comment !== 'string') return required('comment');
  if (typeof createdBy !== 'string') return required('createdBy');
  if (!(ends_at instanceof Date)) return required('endsAt');
  if (!Array.isArray(matchers)) return required('matchers');
  if (listed.length === 0) return { code: 612, message: 'matchers in body should have at least 1 items' };
  const absent = listed.flatMap((matcher, at) =>
    ['isRegex', 'name', 'value']
      .filter((name) => (matcher as Record<string, unknown>)[name] == null)
      .map((name) => `matchers.${at}.${name}`),
  );
  if (absent[0] !== undefined) return required(absent[0]);
  if (!(starts_at instanceof Date)) return required('startsAt');
  return {
    ...(typeof id === 'string' && id !== '' ? { id } : {}),
    matchers: (listed as { name: string; value: string; isRegex: boolean; isEqual?: boolean | null }[]).map(
      ({ name, value, isRegex, isEqual }) => ({
        name: name.toWellFormed(),
        value: value.toWellFormed(),
        is_regex: isRegex,
        is_equal: isEqual ?? true,
      }),
    ),
    starts_at,
    ends_at,
    created_by: createdBy.toWellFormed(),
    comment: comment.toWellFormed(),
  };
}

const required = (name: string): UnreadSilence => ({ code: 602, message: `${name} in body is required` });
const unreadable = (why: string): UnreadSilence => ({
  code: 400,
  message: `parsing silence body from "" failed, because ${why}`,
});

/** RFC 3339, as strfmt.DateTime reads it. */
const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

function timeOf(value: unknown): Date | 'wrong' | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || !TIME.test(value)) return 'wrong';
  const time = new Date(value.replace(' ', 'T'));
  return Number.isNaN(time.getTime()) ? 'wrong' : time;
}

function matcherProblem(matcher: unknown): string | undefined {
  if (typeof matcher !== 'object' || matcher === null || Array.isArray(matcher)) return 'a matcher has to be an object';
  const { name, value, isRegex, isEqual } = matcher as Record<string, unknown>;
  for (const text of [name, value]) {
    if (text != null && (typeof text !== 'string' || text.length > TEXT_MAX || text.includes('\0')))
      return `name and value of a matcher have to be texts of at most ${TEXT_MAX} characters`;
  }
  if ([isRegex, isEqual].some((flag) => flag != null && typeof flag !== 'boolean'))
    return 'isRegex and isEqual of a matcher have to be true or false';
  return undefined;
}

/** What is wrong with a silence that can be read, in Alertmanager's words; undefined where nothing is. */
export function silenceProblem(
  { starts_at, ends_at, matchers }: PostedSilence,
  compile: Compile,
  now: Date,
): string | undefined {
  if (starts_at >= ends_at) return 'Failed to create silence: start time must be before end time';
  if (ends_at < now) return "Failed to create silence: end time can't be in the past";
  const problem = matchersProblem(matchers, compile);
  return problem && `silence invalid: ${problem}`;
}

/** The same of its matchers alone. One that asks for a difference may stand alone, as in Alertmanager (matchesEmpty of 0.25). */
export function matchersProblem(matchers: readonly SilenceMatcher[], compile: Compile): string | undefined {
  let holdsForNothing = true;
  for (const [at, matcher] of matchers.entries()) {
    // Any other name may be one of an alert, as since Alertmanager 0.27.
    if (matcher.name === '') return `invalid label matcher ${at}: invalid label name ""`;
    try {
      const { test } = matcherOf({ ...matcher, op: operatorOf(matcher) }, (pattern) => compiled(pattern, compile));
      holdsForNothing &&= matcher.is_equal && test('');
    } catch (error) {
      // As it was written, without what makes it a test of the whole value.
      const why = error instanceof Error ? error.message.replaceAll(`^(?:${matcher.value})$`, matcher.value) : '';
      return `invalid label matcher ${at}: invalid regular expression ${JSON.stringify(matcher.value)}: ${why}`;
    }
  }
  return holdsForNothing ? 'at least one matcher must not match the empty string' : undefined;
}

/** A silence as it is shown; the fields in Alertmanager's order, times in milliseconds. */
export const silenceView = (silence: Silence, now: Date) => ({
  id: silence.id,
  status: { state: stateOf(silence, now) },
  updatedAt: silence.updated_at.toISOString(),
  comment: silence.comment,
  createdBy: silence.created_by,
  endsAt: silence.ends_at?.toISOString() ?? '',
  matchers: silence.matchers.map(({ name, value, is_regex, is_equal }) => ({
    isEqual: is_equal,
    isRegex: is_regex,
    name,
    value,
  })),
  startsAt: silence.starts_at.toISOString(),
});

/** By structure, not by meaning: each filter has to stand among the silence's own matchers. */
export const hasMatchers = ({ matchers }: Silence, filter: readonly Matcher[]): boolean =>
  filter.every(({ name, op, value }) =>
    matchers.some((own) => own.name === name && own.value === value && operatorOf(own) === op),
  );

const RANKS = { active: 0, pending: 1, expired: 2 } as const;

/** Active ones first, what ends soonest; then those to come, what begins soonest; then what expired last. */
export function inSilenceOrder(silences: readonly Silence[], now: Date): Silence[] {
  const rank = (silence: Silence): number => RANKS[stateOf(silence, now)];
  const within = (silence: Silence): number => {
    const end = silence.ends_at?.getTime() ?? Number.POSITIVE_INFINITY;
    switch (stateOf(silence, now)) {
      case 'active':
        return end;
      case 'pending':
        return silence.starts_at.getTime();
      case 'expired':
        return -end;
    }
  };
  return silences.toSorted((a, b) => rank(a) - rank(b) || within(a) - within(b));
}
