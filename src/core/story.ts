/** Lifecycles: which chapter of a job's or a deployment's story an event is, and what it has to tell. */
import type { Event, Json, Labels } from './event.ts';
import { clip } from './text.ts';
import { objectIn, textIn } from './unchecked.ts';

/** Last words of a type that end a story: `job_completed`, `deploy:failed`, `build.success`. */
const GOOD_ENDS = [
  'completed',
  'complete',
  'success',
  'succeeded',
  'finished',
  'done',
  'end',
  'ended',
  'passed',
  'resolved',
  'approved',
];
const BAD_ENDS = [
  'failed',
  'failure',
  'error',
  'cancelled',
  'canceled',
  'aborted',
  'timeout',
  'rejected',
  'rolledback',
  'oom',
];

/** The last word of a type, whose words may be joined by `_`, `.`, `:`, `-` or `/`. */
const lastWord = (type: string): string =>
  type
    .toLowerCase()
    .split(/[_.:\-/]/)
    .at(-1) ?? '';

/** True when this event ends the story it belongs to. */
export const isEnd = (event: Pick<Event, 'status' | 'type'>): boolean =>
  event.status === 'resolved' || GOOD_ENDS.includes(lastWord(event.type)) || BAD_ENDS.includes(lastWord(event.type));

/** False when the chapter tells of a failure. */
export const isGood = (event: Pick<Event, 'type' | 'severity'>): boolean =>
  !BAD_ENDS.includes(lastWord(event.type)) && event.severity !== 'critical' && event.severity !== 'error';

/** Numbers that count nothing: `pull_request`, `run_number`, `deployment_id`, the line of a file. */
const NAMES_BY_NUMBER = /^(?:pull_request|merge_request|attempt|line|.*_(?:id|number))$/;

/** Labels whose value is a number, and `counts` and `stats` of the context: success=100 and failed=5, model=small. */
export const countsOf = ({ labels, context }: Pick<Event, 'labels' | 'context'>): Labels => ({
  ...Object.fromEntries(
    Object.entries(labels).filter(([name, value]) => /^-?\d+(\.\d+)?%?$/.test(value) && !NAMES_BY_NUMBER.test(name)),
  ),
  ...factsIn(objectIn(context).counts),
  ...factsIn(objectIn(context).stats),
});

/** What the job was begun with: its environment (a label, or in the context), and `metadata` of the context. */
export function detailsOf({ labels, context }: Pick<Event, 'labels' | 'context'>): Labels {
  const said = objectIn(context);
  const environment = labels.environment || labels.env || textIn(said.environment);
  return { ...(environment ? { environment } : {}), ...factsIn(said.metadata) };
}

/** How long it took by the sender's own watch, `duration_s` of the context, in milliseconds. */
export function durationSaid({ context }: Pick<Event, 'context'>): number | undefined {
  const { duration_s } = objectIn(context);
  return typeof duration_s === 'number' && duration_s >= 0 ? Math.round(duration_s * 1_000) : undefined;
}

/** The most facts of one kind that a message shows: people read no longer list. */
const FACTS_MAX = 20;
/** Characters of a value that is a list or an object, written as JSON. */
const NESTED_MAX = 200;

/** The fields of an object as texts, whatever they hold; none of what is no object. */
const factsIn = (value: unknown): Labels =>
  Object.fromEntries(
    Object.entries(objectIn(value) as Record<string, Json>)
      .filter(([name, inner]) => name !== '__proto__' && inner !== null && inner !== '')
      .slice(0, FACTS_MAX)
      .map(([name, inner]) => [name, textIn(inner) || clip(JSON.stringify(inner), NESTED_MAX)]),
  );
