/** Reads a Redis stream as a consumer group: an entry is acknowledged once the ledger has committed it, and never before. */
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '@redis/client';
import type { Consumer, Consuming } from '../source/consuming.ts';
import type { RedisStreamConfig } from './config.ts';
import { eventOf, type Gathered, gatheredEvent } from './entries.ts';

/** How long one read waits for an entry: a stop is never later than this, and a connection never silent for longer. */
const BLOCK_MS = 2_000;
/** A server that says nothing for so long is gone, whatever its connection looks like. */
const SILENT_MS = 15_000;
/** Entries of one read: half of what the door commits at once. */
const READ_MAX = 500;
const RETRY_MS = 1_000;
const RECONNECT_MAX_MS = 5_000;
const CONNECT_MS = 5_000;
/** Between two looks at the dead letters. */
const LOOK_MS = 2_000;
/** An entry that the ledger refuses by itself so often is a dead letter. */
const TRIES_MAX = 3;

interface Entry {
  id: string;
  fields: Record<string, string>;
}

/** An entry whose fields were deleted from the stream while it was pending comes back without them. */
type Read = { id: string; message: Record<string, string> } | null;

/** Begins to read; resolves at once: a Redis that is away is tried again until it is there. */
export async function readStream({ name, config, log, now, keep }: Consuming<RedisStreamConfig>): Promise<Consumer> {
  const client = clientAt(config.url);
  const stopped = new AbortController();
  const { host, pathname } = new URL(config.url);
  client.on('error', (error: unknown) => {
    if (!stopped.signal.aborted) log.warn({ source: name, err: error }, 'Redis does not answer; tried again');
  });
  const reader = createReader(client, { name, config, log, now, keep }, stopped.signal);
  const running = (async () => {
    await client.connect();
    await reader();
  })().catch((error: unknown) => {
    if (!stopped.signal.aborted) log.error({ source: name, err: error }, 'the stream is not read any more');
  });
  return {
    where: `redis://${host}${pathname} ${config.stream}`,
    async stop() {
      stopped.abort();
      // Ends a read that waits, and a connection that is being made; what was being kept is kept, and claimed again unacknowledged.
      client.destroy();
      await running;
    },
  };
}

const clientAt = (url: string) =>
  createClient({
    url,
    socket: {
      connectTimeout: CONNECT_MS,
      socketTimeout: SILENT_MS,
      reconnectStrategy: (tries) => Math.min(100 * 2 ** tries, RECONNECT_MAX_MS),
    },
  });
type Client = ReturnType<typeof clientAt>;

/** Reads until it is stopped. What goes wrong on the way is told and tried again. */
function createReader(client: Client, given: Consuming<RedisStreamConfig>, stopped: AbortSignal): () => Promise<void> {
  const { name, config, log, keep } = given;
  const { stream, group, claim_after } = config;
  // One for each machine, not for each process: the names of those that are gone would stay in the group for ever. Those who
  // share it do not take each other's entries: new ones go to one of them, and pending ones wait for `claim_after`.
  const consumer = `tocsin-${hostname()}`;
  const dead = createDeadLetters(client, given);
  let claimFrom = '0-0';
  let claimAt = 0;

  const ensureGroup = async (): Promise<void> => {
    try {
      await client.xGroupCreate(stream, group, '0', { MKSTREAM: true });
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
  };

  /** Keeps them, then acknowledges them; what the ledger refuses by itself ends as a dead letter. */
  const take = async (entries: Entry[], tries = 1): Promise<void> => {
    if (entries.length === 0 || stopped.aborted) return;
    try {
      if ((await keep(entries.map((entry) => eventOf(entry, config, name)))) === 'later') {
        log.warn({ source: name, waiting: entries.length }, 'the ledger takes nothing now; the entries wait');
        await pause(RETRY_MS, undefined, { signal: stopped });
        return take(entries, tries);
      }
    } catch (error) {
      if (stopped.aborted) return;
      if (entries.length > 1) {
        for (const entry of entries) await take([entry]);
        return;
      }
      if (tries < TRIES_MAX) return take(entries, tries + 1);
      const [entry] = entries;
      if (entry) await dead.put(entry, error);
      return;
    }
    await client.xAck(
      stream,
      group,
      entries.map(({ id }) => id),
    );
  };

  const claim = async (): Promise<void> => {
    const { nextId, messages } = await client.xAutoClaim(stream, group, consumer, claim_after, claimFrom, {
      COUNT: READ_MAX,
    });
    claimFrom = nextId;
    if (claimFrom === '0-0') claimAt = performance.now() + claim_after;
    await take(entriesOf(messages as Read[]));
  };

  const turn = async (): Promise<void> => {
    if (performance.now() >= claimAt) await claim();
    await dead.look();
    const answer = await client.xReadGroup(group, consumer, [{ key: stream, id: '>' }], {
      COUNT: READ_MAX,
      BLOCK: BLOCK_MS,
    });
    const streams = (answer ?? []) as unknown as { messages: Read[] }[];
    for (const { messages } of streams) await take(entriesOf(messages));
  };

  return async () => {
    let isReady = false;
    while (!stopped.aborted) {
      try {
        // Again after every failure: the stream may have been deleted, or the server be another.
        if (!isReady) await ensureGroup();
        isReady = true;
        await turn();
      } catch (error) {
        isReady = false;
        claimAt = 0;
        if (stopped.aborted) return;
        log.warn({ source: name, err: error }, 'the stream could not be read; tried again');
        await pause(RETRY_MS, undefined, { signal: stopped }).catch(() => undefined);
      }
    }
  };
}

const entriesOf = (read: Read[]): Entry[] =>
  read.flatMap((entry) => (entry ? [{ id: entry.id, fields: { ...entry.message } }] : []));

/** What nobody could work on: ours is put there, and what grows is an event. */
function createDeadLetters(
  client: Client,
  {
    name,
    config: { stream, group, dead_letters, persistent_after, source: own },
    keep,
    log,
    now,
  }: Consuming<RedisStreamConfig>,
): { put(entry: Entry, error: unknown): Promise<void>; look(): Promise<void> } {
  const ours = `${stream}.dead`;
  const watched = new Set([ours, ...(dead_letters ?? [`${stream}.dlq`])]);
  const seen = new Map<string, Gathered>();
  let lookAt = 0;

  const lengthOf = async (key: string): Promise<number> => {
    const type = await client.type(key);
    return type === 'stream' ? client.xLen(key) : type === 'list' ? client.lLen(key) : 0;
  };

  return {
    async put({ id, fields }, error) {
      log.error({ source: name, entry: id, err: error }, 'an entry could not be kept; it is a dead letter now');
      await client
        .multi()
        .xAdd(ours, '*', { ...fields, dead_entry: id, dead_since: now().toISOString() })
        .xAck(stream, group, id)
        .exec();
    },

    async look() {
      if (performance.now() < lookAt) return;
      lookAt = performance.now() + LOOK_MS;
      for (const key of watched) {
        const length = await lengthOf(key);
        const before = seen.get(key);
        const since = before && before.length > 0 ? before.since : now();
        const found: Gathered = {
          name: key,
          length,
          since,
          isPersistent: now().getTime() - since.getTime() >= persistent_after,
        };
        const isTold = length > (before?.length ?? 0) || (length === 0 && (before?.length ?? 0) > 0);
        if (isTold && (await keep([gatheredEvent(own ?? name, found)])) === 'later') return;
        seen.set(key, found);
      }
    },
  };
}
