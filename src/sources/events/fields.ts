/** Fields of an event as its doors describe and check them: the same shapes for our own format and for users' own. */
import { z } from 'zod';
import { severityOf, severityWords } from '../../core/event.ts';
import { isWebLink, LIMITS, lengthOf } from '../source.ts';

/** Every text that is kept: no NUL (cleaned in parseEvents), told to readers of the document. */
export const KEPT = '^[^\\u0000]*$';

/** Refined as we count and told as JSON Schema does: both by characters, not by UTF-16 units. */
export const text = (max: number) =>
  z
    .string()
    .refine((value) => lengthOf(value) <= max, `longer than ${max} characters`)
    .meta({ maxLength: max, pattern: KEPT });

/** The pattern of a text that says something. */
export const SAID = '^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$';

export const given = (max: number) =>
  text(max)
    .refine((value) => value.trim() !== '', 'must not be empty')
    .meta({ minLength: 1, pattern: SAID });

export const list = (count: number, max: number) => z.array(given(max)).max(count, `more than ${count} entries`);

const anyCase = (word: string): string => word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);

export const severity = z
  .string()
  .refine((word) => severityOf(word) !== undefined, `not a severity: one of ${severityWords().join(', ')}`)
  .meta({ pattern: `^\\s*(?:${severityWords().map(anyCase).join('|')})\\s*$` });

export const labels = z
  .record(
    z
      .string()
      .refine(
        (name) => name !== '' && lengthOf(name) <= LIMITS.labelName,
        `label names have 1 to ${LIMITS.labelName} characters`,
      )
      .meta({ minLength: 1, maxLength: LIMITS.labelName, pattern: KEPT }),
    text(LIMITS.labelValue),
  )
  .refine((all) => Object.keys(all).length <= LIMITS.labels, `more than ${LIMITS.labels} labels`)
  .meta({ maxProperties: LIMITS.labels });

export const webLink = z
  .string()
  .refine(isWebLink, `not an http or https address of at most ${LIMITS.linkUrl} characters`);
