/** A body of the operator's own: any JSON whose texts hold placeholders. */
import { z } from 'zod';
import type { Json } from '../../core/event.ts';
import { placeholderProblem } from '../../core/placeholders.ts';

/** A body with more is no template any more. */
const TEXTS_MAX = 500;

/** The template as configured, every placeholder in it known. */
export const templateField = z
  .json()
  .superRefine((template, context) => {
    const texts = textsIn(template);
    if (texts.length > TEXTS_MAX) {
      context.addIssue({ code: 'custom', message: `has more than ${TEXTS_MAX} texts` });
      return;
    }
    for (const { path, text } of texts) {
      const problem = placeholderProblem(text);
      if (problem !== undefined) context.addIssue({ code: 'custom', path, message: problem });
    }
  })
  .transform((template) => template as Json);

/** Every text inside, and where it stands. */
function textsIn(value: unknown, path: (string | number)[] = []): { path: (string | number)[]; text: string }[] {
  if (typeof value === 'string') return [{ path, text: value }];
  if (Array.isArray(value)) return value.flatMap((inner, at) => textsIn(inner, [...path, at]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => textsIn(inner, [...path, name]));
}
