/** Sends what waits in a spool, in order and one request at a time: while its process runs, and at the next run. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Settings } from './settings.ts';
import type { Spool, Told } from './spool.ts';

export interface Post {
  /** Puts the event into the spool and sets off; never throws and never waits for the server. */
  tell(event: Told): void;
  /** Waits until all is sent, at most so long; says on `say` what waits for the next run, and sends no more. */
  finish(withinMs: number): Promise<void>;
}

/** Events and bytes of one request: the door takes 1,000 and 5 MB (POST /v1/events). */
const BATCH_MAX = 200;
const BATCH_BYTES_MAX = 1024 * 1024;
/** A server that has not answered by then is away. */
const ANSWER_MS = 10_000;
/** Pauses between attempts while the server is away: doubling from the first to the last. */
const PAUSE_MS = 500;
const PAUSE_MAX_MS = 30_000;
/** The longest Retry-After that is heeded. */
const RETRY_AFTER_MAX_MS = 10 * 60_000;

/** A shorter key is none of Tocsin's, and would take pieces out of other words. */
const KEY_MIN = 8;

type Answer =
  | { kind: 'taken'; refused: { index: number; why: string }[] }
  | { kind: 'refused'; why: string }
  | { kind: 'away'; why: string; waitMs?: number };

/** `say` is told in sentences what goes wrong: each thing once. Neither the key nor an event's words are in them. */
export function startPost(
  spool: Spool,
  { url, key }: Pick<Settings, 'url' | 'key'>,
  say: (line: string) => void,
): Post {
  const said = new Set<string>();
  const sayOnce = (line: string): void => {
    if (!said.has(line)) say(line);
    said.add(line);
  };
  const stopping = new AbortController();
  let sending: Promise<void> | undefined;
  let wake = new AbortController();
  let more = false;

  async function sendAll(): Promise<void> {
    let waitMs = PAUSE_MS;
    while (!stopping.signal.aborted) {
      const batch = batchOf(spool);
      if (batch.length === 0) return;
      const answer = await ask(
        batch.map(({ event }) => event),
        { url, key, signal: stopping.signal },
      );
      switch (answer.kind) {
        case 'taken':
          for (const { index, why } of answer.refused) sayOnce(refusal(batch[index]?.event, why));
          for (const { name } of batch) spool.remove(name);
          waitMs = PAUSE_MS;
          break;
        case 'refused':
          // Each alone, so that one bad event takes no other with it.
          if (batch.length > 1) await eachAlone(batch);
          else drop(batch[0], answer.why);
          break;
        case 'away':
          if (stopping.signal.aborted) return;
          sayOnce(`${answer.why}; what is said meanwhile is kept and sent later`);
          wake = new AbortController();
          await pause(Math.max(waitMs, answer.waitMs ?? 0), undefined, {
            ref: false,
            signal: AbortSignal.any([stopping.signal, wake.signal]),
          }).catch(() => undefined);
          waitMs = wake.signal.aborted ? PAUSE_MS : Math.min(2 * waitMs, PAUSE_MAX_MS);
          break;
      }
    }
  }

  async function eachAlone(batch: Waiting[]): Promise<void> {
    for (const one of batch) {
      const answer = await ask([one.event], { url, key, signal: stopping.signal });
      if (answer.kind === 'away') return;
      if (answer.kind === 'refused') drop(one, answer.why);
      else spool.remove(one.name);
    }
  }

  function drop(one: Waiting | undefined, why: string): void {
    if (one === undefined) return;
    sayOnce(refusal(one.event, why));
    spool.remove(one.name);
  }

  function setOff(): void {
    if (stopping.signal.aborted) return;
    if (sending) {
      more = true;
      return;
    }
    more = false;
    sending = sendAll()
      .catch((error: unknown) => sayOnce(`the spool cannot be sent: ${error instanceof Error ? error.message : error}`))
      .finally(() => {
        sending = undefined;
        if (more) setOff();
      });
  }

  async function drained(): Promise<void> {
    while (sending) await sending;
  }

  const withoutKey = (event: Told): Told =>
    key.length < KEY_MIN ? event : (JSON.parse(JSON.stringify(event).replaceAll(key, '•••')) as Told);

  setOff();
  return {
    tell(event) {
      try {
        // A job may print its environment.
        const { dropped } = spool.add(withoutKey(event));
        if (dropped.length > 0) say(`the spool is full: dropped ${dropped.length} events that waited longest`);
      } catch (error) {
        sayOnce(`an event cannot be kept: ${error instanceof Error ? error.message : error}`);
      }
      setOff();
    },
    async finish(withinMs) {
      const begun = new AbortController();
      const late = pause(withinMs, undefined, { signal: begun.signal }).catch(() => undefined);
      // A server that has come back meanwhile is asked now, not after the pause.
      wake.abort();
      await Promise.race([drained(), late]);
      begun.abort();
      stopping.abort();
      await sending;
      const left = spool.waiting().length;
      if (left > 0)
        say(`${left === 1 ? '1 event waits' : `${left} events wait`} in the spool; the next run sends them`);
    },
  };
}

interface Waiting {
  name: string;
  event: Told;
}

/** The first events that wait. A file that holds no event is removed: nobody could ever send it. */
function batchOf(spool: Spool): Waiting[] {
  const batch: Waiting[] = [];
  let bytes = 0;
  for (const name of spool.waiting()) {
    const event = spool.read(name);
    if (event === undefined) {
      spool.remove(name);
      continue;
    }
    bytes += Buffer.byteLength(JSON.stringify(event));
    if (batch.length === BATCH_MAX || (batch.length > 0 && bytes > BATCH_BYTES_MAX)) break;
    batch.push({ name, event });
  }
  return batch;
}

async function ask(
  events: Told[],
  { url, key, signal }: { url: string; key: string; signal: AbortSignal },
): Promise<Answer> {
  try {
    const response = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(events),
      // A redirect would carry the key elsewhere.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    const text = await response.text();
    if (response.status === 202) return { kind: 'taken', refused: refusedIn(text) };
    // Only Tocsin's own word is final: a proxy on the way may be mended.
    if ((response.status === 400 || response.status === 413) && text.includes('urn:tocsin:problem:'))
      return { kind: 'refused', why: problemIn(text) };
    const waitS = Number(response.headers.get('retry-after') ?? 0);
    return {
      kind: 'away',
      why:
        response.status === 401 || response.status === 403
          ? `Tocsin refuses the key (${response.status}): it needs the scope ingest`
          : `Tocsin answers ${response.status}`,
      ...(waitS > 0 && { waitMs: Math.min(waitS * 1_000, RETRY_AFTER_MAX_MS) }),
    };
  } catch {
    return { kind: 'away', why: `Tocsin at ${new URL(url).host} cannot be reached` };
  }
}

const refusal = (event: Told | undefined, why: string): string =>
  `Tocsin refuses the event ${event?.id ?? '(without an id)'}: ${why}; it is dropped`;

const parsed = (text: string): Record<string, unknown> => {
  try {
    return (JSON.parse(text) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
};

function refusedIn(text: string): { index: number; why: string }[] {
  const { rejected } = parsed(text) as { rejected?: { index: number; field: string; problem: string }[] };
  return (rejected ?? []).map(({ index, field, problem }) => ({ index, why: `${field} ${problem}`.trim() }));
}

function problemIn(text: string): string {
  const { detail, errors } = parsed(text) as { detail?: string; errors?: { field: string; problem: string }[] };
  const first = errors?.[0];
  return first ? `${first.field} ${first.problem}` : (detail ?? 'it is not as it should be');
}
