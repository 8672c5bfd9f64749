/** Users' regular expressions by RE2: whatever is written, a test takes linear time. */
import { RE2JS } from 're2js';
import type { Compile } from '../core/match.ts';

/** A test of whole values, as in Alertmanager (docs/configuration.md, matchers: fully anchored). Throws RE2's own words. */
export const compile: Compile = (pattern) => {
  const expression = RE2JS.compile(`^(?:${pattern})$`, RE2JS.DOTALL);
  return (value) => expression.matches(value);
};
