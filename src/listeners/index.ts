/** Every listener, and how all that the configuration names are begun and stopped together. */

import type { Listener, ListenerDeps, Listening } from './listener.ts';
import { mailListener } from './mail.ts';
import { redisStream } from './redis-stream.ts';

const listeners: readonly Listener[] = [mailListener, redisStream];

/** Begins one listener for each source that needs one. Throws what one of them throws, and leaves none running then. */
export async function startListeners(
  deps: ListenerDeps,
): Promise<{ all: readonly Listening[]; stop(): Promise<void> }> {
  const all: Listening[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(all.splice(0).map((one) => one.stop()));
  };
  try {
    for (const [name, source] of deps.config.sources) {
      const listener = listeners.find(({ type }) => type === source.type);
      if (!listener) continue;
      const listening = await listener.listen(name, source, deps);
      deps.log.info({ source: name, where: listening.where }, 'listening');
      all.push(listening);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { all: [...all], stop };
}
