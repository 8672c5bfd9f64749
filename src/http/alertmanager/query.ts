/** The query of Alertmanager's API, by its own rules: filters, a receiver, and which states are shown. */

import { compiled, parseFilter } from '../../core/prometheus/filter.ts';
import type { Shown } from '../../core/prometheus/view.ts';
import { compile } from '../../expressions/compile.ts';
import type { Answer } from '../endpoint.ts';
import { said } from './dialect.ts';

/** What go-openapi/swag takes for true, in any case; whatever else is false. */
const TRUE = new Set(['true', '1', 'yes', 'ok', 'y', 'on', 'selected', 'checked', 't', 'enabled']);
/** More than any tool sends: each is a pattern to compile. */
const FILTERS_MAX = 100;

/** What is asked for; or the answer to a query that is none, in Alertmanager's words. */
export function shownIn(query: Record<string, unknown>): Shown | { refusal: Answer } {
  const texts = textsOf(query.filter);
  if (texts.length > FILTERS_MAX) return { refusal: said(400, `at most ${FILTERS_MAX} filters can be asked for`) };
  const isOn = (name: string): boolean => {
    const last = textsOf(query[name]).at(-1);
    return last === undefined || last === '' || TRUE.has(last.toLowerCase());
  };
  const shown = {
    active: isOn('active'),
    silenced: isOn('silenced'),
    inhibited: isOn('inhibited'),
    muted: isOn('muted'),
  };
  try {
    const filter = texts.map((text) => parseFilter(text, compile));
    const receiver = textsOf(query.receiver).at(-1);
    return { ...shown, filter, ...(receiver ? { receiver: receiverTest(receiver) } : {}) };
  } catch (error) {
    return { refusal: said(400, error instanceof Error ? error.message : 'the query cannot be read') };
  }
}

/** Of a query's value: given once or several times. */
const textsOf = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((text) => typeof text === 'string');

function receiverTest(pattern: string): (name: string) => boolean {
  try {
    return compiled(pattern, compile);
  } catch (error) {
    throw new Error(`failed to parse receiver param: ${error instanceof Error ? error.message : 'no expression'}`);
  }
}
