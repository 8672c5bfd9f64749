/** Lifecycles: which chapter of a job's or a deployment's story an event is. */
import type { Event, Labels } from './event.ts';

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

/** Labels whose value is a number: a job's own counts, such as success=100 and failed=5. */
export const countsOf = (labels: Labels): Labels =>
  Object.fromEntries(
    Object.entries(labels).filter(([name, value]) => /^-?\d+(\.\d+)?%?$/.test(value) && !NAMES_BY_NUMBER.test(name)),
  );
