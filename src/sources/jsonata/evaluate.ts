/** Mappings evaluated in a thread of their own, one message at a time; the thread ends where one takes too long or too much. */
import { Worker } from 'node:worker_threads';
import type { Plan } from './plan.ts';

export interface Asked {
  id: number;
  plan: Plan;
  /** The payload, as JSON. */
  text: string;
}

export type Answered =
  /** The payload is parsed; so many microseconds the thread has worked in its life. */
  | { id: number; begun: number }
  /** A Mapped. */
  | { id: number; json: string }
  | { id: number; problem: string };

export interface Mapped {
  /** Why nothing could be made of the payload as a whole. */
  problem?: string;
  /** What each entry gave: the value of every field, without those that gave none; or why it gave none. */
  entries: ({ index: number; values: Record<string, unknown> } | { index: number; problem: string })[];
}

/** Work of the thread on one message. A mapping that needs more is a loop, or a payload made to keep it busy. */
export const WORK_MS = 50;
/** By the clock, for a thread that does not say how long it has worked: one that waits for memory, say. */
const WORK_CLOCK_MS = 2_000;
/** How often the work is looked at. */
const LOOK_MS = 25;
/** For the thread to start and to parse the payload, on a busy machine too. */
const BEGIN_MS = 15_000;
/** No webhook known to us is a tenth of it; a mapping reads the whole. */
const PAYLOAD_MAX_BYTES = 1024 * 1024;
/** Heap of the thread: forty times a payload. */
const HEAP = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 16 };

let thread: Worker | undefined;
let asked = 0;
let last: Promise<unknown> = Promise.resolve();

/**
 * What the plan makes of a payload (JSON); never rejects. The problem, in words, is the answer where it failed, took more
 * than 50 ms of work or too much memory, or the payload is over 1 MB.
 */
export function evaluate(plan: Plan, text: string): Promise<Mapped> {
  const bytes = Buffer.byteLength(text);
  if (bytes > PAYLOAD_MAX_BYTES)
    return Promise.resolve(failed(`a payload of ${bytes} bytes is more than the ${PAYLOAD_MAX_BYTES} that are mapped`));
  const mine = last.then(() => inThread({ id: ++asked, plan, text }));
  last = mine;
  return mine;
}

const failed = (problem: string): Mapped => ({ problem, entries: [] });

function startedThread(): Worker {
  if (thread) return thread;
  const started = new Worker(new URL('./thread.ts', import.meta.url), {
    name: 'mapping',
    env: {},
    resourceLimits: HEAP,
  });
  const forget = (): void => {
    if (thread === started) thread = undefined;
  };
  // Heard for as long as it lives: one that is being ended may still run out of memory (seen), and an error that nobody
  // hears ends the whole process.
  started.on('error', forget).once('exit', forget);
  thread = started;
  return started;
}

function inThread(ask: Asked): Promise<Mapped> {
  const worker = startedThread();
  return new Promise((resolve) => {
    let watch = setTimeout(() => end('its thread did not begin'), BEGIN_MS);
    const settle = (mapped: Mapped): void => {
      clearTimeout(watch);
      worker.off('message', hear).off('error', fail);
      // An idle thread keeps no process alive.
      worker.unref();
      resolve(mapped);
    };
    const end = (why: string): void => {
      if (thread === worker) thread = undefined;
      void worker.terminate();
      settle(failed(why));
    };
    const look = async (begun: number, since: number): Promise<void> => {
      const used = performance.now() - since > WORK_CLOCK_MS ? Number.POSITIVE_INFINITY : await usageOf(worker);
      if (used !== undefined && used - begun > WORK_MS * 1_000) end(`it takes more than ${WORK_MS} ms`);
    };
    const hear = (answered: Answered): void => {
      if (answered.id !== ask.id) return;
      if ('problem' in answered) settle(failed(answered.problem));
      else if ('json' in answered) settle(JSON.parse(answered.json) as Mapped);
      else {
        clearTimeout(watch);
        const since = performance.now();
        watch = setInterval(() => void look(answered.begun, since), LOOK_MS);
      }
    };
    const fail = (error: Error & { code?: string }): void =>
      end(
        error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it takes too much memory' : `its thread failed: ${error.message}`,
      );
    worker.ref();
    worker.on('message', hear).on('error', fail);
    worker.postMessage(ask);
  });
}

/** Microseconds that the thread has worked; undefined where it has ended. */
const usageOf = (worker: Worker): Promise<number | undefined> =>
  worker.cpuUsage().then(
    ({ user, system }) => user + system,
    () => undefined,
  );
