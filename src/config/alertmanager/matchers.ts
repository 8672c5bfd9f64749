/** Matchers of an alertmanager.yml, in each of the ways they may be written there, as ours. */
import { SEVERITIES, sentLabel } from '../../core/event.ts';
import { type Matcher, matcherText, parseMatcher } from '../../core/match.ts';
import type { Fields } from './fields.ts';

export type Match = Pick<Matcher, 'name' | 'op' | 'value'>;

/** The fields that hold matchers: `match`, `match_re` and `matchers` of a route, `source_match` … of an inhibition. */
type Prefix = '' | 'source_' | 'target_';

/**
 * All matchers of a route, or of one side of an inhibition.
 * Throws an Error that names the matcher, the character and what is expected there.
 */
export function matchesOf(fields: Fields, prefix: Prefix = ''): Match[] {
  const named = (name: string, op: '=' | '=~'): Match[] =>
    Object.entries(fields.texts(`${prefix}${name}`)).map(([label, value]) => ({ name: label, op, value }));
  const written = fields.list(`${prefix}matchers`).flatMap((text) => parts(String(text)));
  return [
    ...named('match', '='),
    ...named('match_re', '=~'),
    ...written.map((text): Match => {
      // Whether it is a regular expression is seen when the file that is made is read.
      const { name, op, value } = parseMatcher(text, () => () => true);
      return { name, op, value };
    }),
  ];
}

/** One entry may hold several: `{a="b", c=~"d"}`. A comma within quotes, or behind a backslash, divides nothing. */
function parts(text: string): string[] {
  const inner = text.trim().replace(/^\{/, '').replace(/\}$/, '');
  const found: string[] = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at < inner.length; at++) {
    const character = inner[at];
    if (character === '\\') at++;
    else if (character === '"') quoted = !quoted;
    else if (character === ',' && !quoted) {
      found.push(inner.slice(from, at));
      from = at + 1;
    }
  }
  return [...found, inner.slice(from)].filter((part, at, all) => part.trim() !== '' || at < all.length - 1);
}

/** What a label of Alertmanager's is called here. */
export type LabelName = (name: string) => string;

/**
 * Our names for labels. `type`, `source` and `status` are fields of an event, so a label of that name is seen by another.
 * So is `severity`, unless all of `matches` speak only of our four: then the word that was sent means the same.
 */
export function labelNames(matches: readonly Match[]): { label: LabelName; keepsWords: boolean } {
  const words = matches
    .filter(({ name }) => name === 'severity')
    .flatMap(({ op, value }) => (op === '=' || op === '!=' ? [value] : value.split('|')));
  const keepsWords = words.some((word) => !SEVERITIES.some((severity) => severity === word));
  return { label: (name) => (name === 'severity' && !keepsWords ? name : sentLabel(name)), keepsWords };
}

/** As one writes it in tocsin.yaml: a name with dots needs no quotes as long as the value has them. */
export function matchText({ name, op, value }: Match, label: LabelName): string {
  const ours = label(name);
  return /^[\w.]+$/.test(ours) ? `${ours}${op}${JSON.stringify(value)}` : matcherText({ name: ours, op, value });
}
