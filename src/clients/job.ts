/** runJob: a function whose start, progress and end are told to Tocsin, whatever becomes of Tocsin meanwhile. */
import { randomBytes } from 'node:crypto';
import { beginChapters, type Chapters, type Facts } from './chapters.ts';
import { type Post, startPost } from './post.ts';
import { type Env, settingsOf } from './settings.ts';
import { memorySpool, openSpool, type Spool } from './spool.ts';

export interface Job {
  /** How far it is: `{ processed: 10, total: 100 }`, or any numbers and words by name. Told at most every ten seconds. */
  progress(facts: Facts): void;
}

export interface JobOptions {
  labels?: Readonly<Record<string, string>>;
  /** The job's name unless it is given. */
  service?: string;
  /** Instead of TOCSIN_ENVIRONMENT or ENVIRONMENT. */
  environment?: string;
  /** Where the settings are read from: process.env. */
  env?: Env;
  /** Where it is said what goes wrong with the telling: stderr. */
  say?: (line: string) => void;
}

/**
 * Runs `fn` and tells its story: the start with `metadata`, progress, and the end with what it took, the numbers and words
 * of an object that `fn` returns, or the error's text. Gives back what `fn` gives and throws what it throws; an AbortError
 * is a cancelled job, and so is SIGINT or SIGTERM where nobody else listens for it. Nothing that goes wrong with the
 * telling reaches the caller. Settings: see settings.ts.
 */
export async function runJob<Result>(
  name: string,
  fn: (job: Job) => Result | Promise<Result>,
  metadata: Facts = {},
  options: JobOptions = {},
): Promise<Result> {
  const { chapters, finish } = beginJob(name, metadata, options);
  const forget = tellIfStopped(chapters, finish);
  const job: Job = { progress: (facts) => quietly(() => chapters.progress(facts)) };
  try {
    const result = await fn(job);
    quietly(() => chapters.end({ how: 'completed', result: factsIn(result) }));
    return result;
  } catch (error) {
    const how = error instanceof Error && error.name === 'AbortError' ? 'cancelled' : 'failed';
    quietly(() => chapters.end({ how, error: textOf(error) }));
    throw error;
  } finally {
    forget();
    await finish();
  }
}

/** Begins a story, and gives what waits for its last word. Without settings it says so and tells nobody. */
export function beginJob(
  job: string,
  metadata: Facts,
  { env = process.env, say = sayOnStderr, labels = {}, environment, service }: JobOptions,
): { chapters: Chapters; finish(): Promise<void> } {
  const settings = settingsOf(env);
  const isSet = typeof settings !== 'string';
  if (!isSet) say(`${settings}: the job runs, and nobody is told`);
  const post = isSet ? startPost(spoolIn(settings.folder, say), settings, say) : NOBODY;
  // A letter in it: a label that is a number would be a count.
  const run = `${new Date().toISOString().replace(/[-:]|\.\d+Z/g, '')}-${randomBytes(5).toString('hex')}`;
  const whereabouts = environment ?? (isSet ? settings.environment : undefined);
  const chapters = beginChapters({ job, run, metadata, labels, environment: whereabouts, service }, post);
  return { chapters, finish: () => post.finish(isSet ? settings.waitMs : 0).catch(() => undefined) };
}

/** Listeners of jobs that run beside each other. */
const OURS = new Set<unknown>();

/** A signal tells the end, then ends the process as it would have. Gives back how to take that back. */
function tellIfStopped(chapters: Chapters, finish: () => Promise<void>): () => void {
  const signals = (['SIGINT', 'SIGTERM'] as const).filter((signal) =>
    process.listeners(signal).every((listener) => OURS.has(listener)),
  );
  const stopped = (signal: NodeJS.Signals): void => {
    forget();
    quietly(() => chapters.end({ how: 'cancelled', error: `ended by ${signal}` }));
    finish().then(() => process.kill(process.pid, signal));
  };
  const forget = (): void => {
    for (const signal of signals) process.off(signal, stopped);
    OURS.delete(stopped);
  };
  OURS.add(stopped);
  for (const signal of signals) process.on(signal, stopped);
  return forget;
}

/** What tells nobody. */
const NOBODY: Post = { tell: () => undefined, finish: async () => undefined };

function spoolIn(folder: string, say: (line: string) => void): Spool {
  try {
    return openSpool(folder);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    say(`no spool (${why}): what cannot be sent before the job ends is lost`);
    return memorySpool();
  }
}

export const sayOnStderr = (line: string): void => void process.stderr.write(`tocsin: ${line}\n`);

function quietly(tell: () => void): void {
  try {
    tell();
  } catch {
    // The job is what counts: a fact that cannot even be read is not told.
  }
}

const factsIn = (result: unknown): Facts =>
  typeof result === 'object' && result !== null && !Array.isArray(result) ? (result as Facts) : {};

/** The error with the last of its way here, and what it says was the cause. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const way = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const cause = error.cause === undefined ? [] : [`cause: ${error.cause}`];
  return [`${error.name}: ${error.message}`, ...cause, ...way.slice(0, FRAMES_MAX)].join('\n');
}
/** Lines of the way to an error: where it happened, not how the job was begun. */
const FRAMES_MAX = 5;
