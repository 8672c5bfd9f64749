/** A source whose messages wait at a broker: what it is given to read them, and what it gives back while it does. */
import type { Event } from '../../core/event.ts';

type Say = (fields: Record<string, unknown>, message: string) => void;

/** What a source that reads is given: nothing of the ledger but whether it keeps. */
export interface Consuming<Config> {
  /** Its name in tocsin.yaml. */
  name: string;
  config: Config;
  now(): Date;
  /** Whose lines hold no secret, whatever is given to them. */
  log: Record<'info' | 'warn' | 'error', Say>;
  /**
   * `kept`: they are committed, each once however often it comes; only now may the broker be told that they were taken.
   * `later`: the ledger is away or too many wait; none of them may be forgotten, and the same are to be given again. Rejects
   * where these very events cannot be kept: alone, another time or as a dead letter.
   */
  keep(events: Event[]): Promise<'kept' | 'later'>;
}

/** A source that is being read. */
export interface Consumer {
  /** What it reads from, for people: `redis://127.0.0.1:6379 notify.events`. Without any secret. */
  where: string;
  /** Takes nothing more; resolves when what was begun has ended. */
  stop(): Promise<void>;
}
