/** Every other way in than HTTP posts that the configuration names, begun and stopped together: mail, and what waits at brokers. */
import type { ConfiguredSource } from '../config/integrations.ts';
import { Problem } from '../http/problem.ts';
import { isAway } from '../ledger/away.ts';
import { sourceOf } from '../sources/index.ts';
import { mail } from '../sources/mail.ts';
import type { AnySource } from '../sources/source.ts';
import type { ListenerDeps, Listening } from './listener.ts';
import { listenForMail } from './mail.ts';

/**
 * Begins one for each source that is not posted. Throws what one of them throws, and leaves none running then.
 * @param kindOf the kind of a source by its type.
 */
export async function startListeners(
  deps: ListenerDeps,
  kindOf: (type: string) => AnySource | undefined = sourceOf,
): Promise<{ all: readonly Listening[]; stop(): Promise<void> }> {
  const all: Listening[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(all.splice(0).map((one) => one.stop()));
  };
  try {
    for (const source of deps.config.sources.values()) {
      const listening = await begin(source, kindOf(source.type), deps);
      if (!listening) continue;
      deps.log.info({ source: source.name, where: listening.where }, 'listening');
      all.push(listening);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { all: [...all], stop };
}

/** Listens for letters, or reads what waits at a broker; undefined for a source that is posted. */
async function begin(
  source: ConfiguredSource,
  kind: AnySource | undefined,
  deps: ListenerDeps,
): Promise<Listening | undefined> {
  const { name, type, config } = source;
  if (type === mail.id) return listenForMail(source, deps);
  return kind?.consume?.({
    ...{ name, config, log: deps.log, now: deps.now },
    async keep(events) {
      try {
        await deps.keep(events, type);
        return 'kept';
      } catch (error) {
        if (isBusy(error)) return 'later';
        throw error;
      }
    },
  });
}

/** The ledger is away, or too many wait for it: what it refuses now it may take later. */
const isBusy = (error: unknown): boolean => isAway(error) || (error instanceof Problem && error.kind === 'unavailable');
