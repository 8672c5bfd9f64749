/** The story of one run of a job, chapter by chapter, as events: it starts, goes on, and has one of three ends. */
import type { Post } from './post.ts';

/** Whatever a job says of itself, by name. */
export type Facts = Readonly<Record<string, unknown>>;

export type End =
  | { how: 'completed'; result?: Facts }
  | { how: 'failed' | 'cancelled'; error?: string; exit_code?: number };

export interface Chapters {
  /** Tells how far it is, and what it last said, at most every ten seconds: the last word counts, lines are kept. */
  progress(facts: Facts, lines?: readonly string[]): void;
  /** Tells the end, with everything that was counted on the way. What follows is not told. */
  end(end: End): void;
}

export interface Run {
  job: string;
  /** Of this run alone. */
  run: string;
  metadata: Facts;
  labels: Readonly<Record<string, string>>;
  environment?: string | undefined;
  service?: string | undefined;
}

/** Chat channels take about a message a second; a thread that people read takes fewer. */
const PROGRESS_EVERY_MS = 10_000;
/** Lines and characters of output that one message shows. */
const LINES_MAX = 20;
const WORDS_MAX = 2_000;
const ERROR_MAX = 1_000;
/** Within the limits of POST /v1/events: names 128, label values 1,024 characters, 64 labels, a context of 16 KB. */
const NAME_MAX = 128;
const LABEL_MAX = 1_024;
const LABELS_MAX = 60;
const TITLE_MAX = 300;
const VALUE_MAX = 500;
const FACTS_BYTES_MAX = 3 * 1024;

/** Tells the start at once. `every` is how often progress is told, in milliseconds. */
export function beginChapters(run: Run, post: Pick<Post, 'tell'>, every = PROGRESS_EVERY_MS): Chapters {
  const began = performance.now();
  const name = clip(plain(run.job).replace(/\s+/g, ' ').trim() || 'job', NAME_MAX);
  const { environment } = run;
  const given = Object.entries(run.labels).filter(([label]) => label !== '' && label !== '__proto__');
  const labels = Object.fromEntries(
    [
      ...given.slice(0, LABELS_MAX),
      ...Object.entries({ ...(environment && { environment }), job: name, run: run.run }),
    ].map(([label, value]) => [clip(plain(label), NAME_MAX), clip(plain(value), LABEL_MAX)]),
  );
  const metadata = within(run.metadata);
  let known: Facts = {};
  let pending: { lines: string[] } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  let count = 0;
  let isOver = false;

  function tell(type: string, title: string, more: { id: string; [field: string]: unknown }, context: Facts): void {
    post.tell({
      source: 'jobs',
      type,
      title: clip(plain(title).replace(/\s+/g, ' '), TITLE_MAX),
      service: clip(plain(run.service || name), NAME_MAX),
      labels,
      dedup_key: clip(`${name}/${run.run}`, 2 * NAME_MAX),
      occurred_at: new Date().toISOString(),
      ...more,
      id: `${run.run}-${more.id}`,
      context: { ...(Object.keys(metadata).length > 0 && { metadata }), ...context },
    });
  }

  function tellProgress(): void {
    clearTimeout(timer);
    timer = undefined;
    if (pending === undefined) return;
    const body = lastWords(pending.lines);
    pending = undefined;
    toldAt = performance.now();
    const said = inWords(known);
    tell(
      'job_progress',
      said === '' ? `${name} goes on` : `${name}: ${said}`,
      { id: `p${++count}`, ...(body && { body }) },
      sorted(known),
    );
  }

  tell('job_started', `${name} has started`, { id: 'started' }, {});
  return {
    progress(facts, lines = []) {
      if (isOver) return;
      known = { ...known, ...facts };
      pending = { lines: [...(pending?.lines ?? []), ...lines].slice(-LINES_MAX) };
      if (timer) return;
      const inMs = toldAt + every - performance.now();
      if (inMs <= 0) tellProgress();
      else timer = setTimeout(tellProgress, inMs).unref();
    },
    end(end) {
      if (isOver) return;
      isOver = true;
      // Numbers are said again by the end; lines are not.
      if (pending && pending.lines.length > 0) tellProgress();
      clearTimeout(timer);
      timer = undefined;
      pending = undefined;
      const duration_s = Math.round(performance.now() - began) / 1_000;
      if (end.how === 'completed') {
        const status = 'resolved';
        const counted = sorted({ ...known, ...end.result });
        return tell('job_completed', `${name} has completed`, { id: 'ended', status }, { duration_s, ...counted });
      }
      const body = lastWords((end.error ?? '').split('\n'));
      const about = { duration_s, ...sorted(known), ...(end.exit_code !== undefined && { exit_code: end.exit_code }) };
      const words = { id: 'ended', ...(body && { body }) };
      if (end.how === 'cancelled')
        return tell('job_cancelled', `${name} was cancelled`, { ...words, severity: 'warning' }, about);
      tell(
        'job_failed',
        `${name} has failed`,
        { ...words, severity: 'error' },
        { ...about, ...(body && { error: [...body].slice(-ERROR_MAX).join('') }) },
      );
    },
  };
}

/** `10 of 100` where a job says processed and total; else its numbers by name. */
function inWords(facts: Facts): string {
  const { processed, total, ...others } = facts;
  const isCounted = typeof processed === 'number' && typeof total === 'number' && total > 0;
  const rest = Object.entries(isCounted ? others : facts).filter(([, value]) => typeof value === 'number');
  return [
    ...(isCounted ? [`${processed} of ${total} (${Math.floor((100 * processed) / total)}%)`] : []),
    ...rest.map(([name, value]) => `${name} ${value}`),
  ].join(', ');
}

/** Numbers are counts, everything else that a job says is a statistic of its own. */
function sorted(facts: Facts): { counts?: Facts; stats?: Facts } {
  const isCount = ([, value]: [string, unknown]): boolean => typeof value === 'number' && Number.isFinite(value);
  const entries = Object.entries(facts);
  const counts = within(Object.fromEntries(entries.filter(isCount)));
  const stats = within(Object.fromEntries(entries.filter((entry) => !isCount(entry))));
  return {
    ...(Object.keys(counts).length > 0 && { counts }),
    ...(Object.keys(stats).length > 0 && { stats }),
  };
}

/** As many of the facts as an event takes: texts are cut, what is nested is written as JSON. */
function within(facts: Facts): Facts {
  const kept: Record<string, unknown> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null || name === '__proto__') continue;
    const entry = [clip(plain(name), NAME_MAX), simple(value)] as const;
    bytes += Buffer.byteLength(JSON.stringify(entry));
    if (bytes > FACTS_BYTES_MAX) break;
    kept[entry[0]] = entry[1];
  }
  return kept;
}

function simple(value: unknown): string | number | boolean {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (typeof value !== 'object') return clip(plain(String(value)), VALUE_MAX);
  try {
    return clip(plain(JSON.stringify(value)), VALUE_MAX);
  } catch {
    return 'not to be written as JSON';
  }
}

/** The last lines, as many as a message holds, without blank ones around them. */
function lastWords(lines: readonly string[]): string {
  const text = plain(lines.slice(-LINES_MAX).join('\n')).trim();
  const points = [...text];
  return points.length <= WORDS_MAX ? text : `…${points.slice(1 - WORDS_MAX).join('')}`;
}

/** Colours and cursor movements of a terminal (ECMA-48, CSI), and what no event may hold. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const TERMINAL = /\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]/g;
const plain = (text: string): string => text.replace(TERMINAL, '').toWellFormed();
const clip = (text: string, max: number): string => {
  const points = [...text];
  return points.length <= max ? text : `${points.slice(0, max - 1).join('')}…`;
};
