/** A mapping in JSONata as it is configured, checked when Tocsin starts, and as the thread is given it. */
import expressionOf from 'jsonata';
import { z } from 'zod';

/** What a mapping asks of a payload: expressions as they were written, each under the place it stands at. */
export interface Plan {
  /** Gives the list to make events of; absent: the payload is one. */
  items?: string | undefined;
  /** Only entries for which this holds; the others are left alone. */
  when?: string | undefined;
  /** By name: `title`, `labels.cluster`. */
  fields: Readonly<Record<string, string>>;
}

/** Longer ones are programs; the parser calls itself for each bracket. */
const EXPRESSION_MAX = 4_000;

/** An expression that can be parsed; the problem says where it cannot. */
const expression = () =>
  z
    .string()
    .min(1)
    .max(EXPRESSION_MAX)
    .superRefine((written, context) => {
      const problem = problemWith(written);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, input: written });
    });

function problemWith(written: string): string | undefined {
  try {
    expressionOf(written);
    return undefined;
  } catch (error) {
    return `is no JSONata: ${inWords(error)}`;
  }
}

/** What JSONata says is wrong; its errors are objects with a message and a place, not always Errors. */
export function inWords(error: unknown): string {
  const { message, position } = error as { message?: unknown; position?: unknown };
  const words = typeof message === 'string' && message !== '' ? message : String(error);
  return typeof position === 'number' ? `${words} (at character ${position})` : words;
}

const field = (title: string, description: string) => expression().optional().meta({ title, description });
const texts = z.union([expression(), z.array(expression())]).optional();

export const PlanFields = {
  items: field('Items', 'Gives the list to make events of, one per entry; absent: the whole payload is one.'),
  when: field('When', 'Only entries for which this holds; the others are left alone.'),
  each: z
    .strictObject({
      type: expression(),
      title: expression(),
      id: expression().optional(),
      source: expression().optional(),
      severity: expression().optional(),
      status: expression().optional(),
      body: expression().optional(),
      service: expression().optional(),
      dedup_key: expression().optional(),
      trace_id: expression().optional(),
      request_id: expression().optional(),
      occurred_at: expression().optional(),
      context: expression().optional(),
      components: texts,
      assignees: texts,
      labels: z.union([expression(), z.record(z.string().min(1), expression())]).optional(),
      links: z.union([expression(), z.array(z.strictObject({ title: expression(), url: expression() }))]).optional(),
    })
    .meta({
      title: 'Each',
      description:
        'For each field of an event the expression that gives it. Within it $ is the entry, $payload all of what was posted, $index the number of the entry from 0.',
    }),
};

type Written = z.output<z.ZodObject<typeof PlanFields>>;

/** The plan of a mapping: what is several expressions in one field becomes several fields. */
export function planOf({ items, when, each }: Written): Plan {
  const fields: Record<string, string> = {};
  const add = (name: string, written: unknown): void => {
    if (typeof written === 'string') fields[name] = written;
    else if (typeof written === 'object' && written !== null)
      for (const [inner, value] of Object.entries(written)) add(`${name}.${inner}`, value);
  };
  for (const [name, written] of Object.entries(each)) add(name, written);
  return { items, when, fields };
}
