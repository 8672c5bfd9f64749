/** Doors at somebody else's paths: which configured source a request is of, by the secret that it shows. */

import type { z } from 'zod';
import type { Config } from '../config/load.ts';
import type { Source } from '../sources/source.ts';

/** A configured source: its name in tocsin.yaml, and its settings. */
export interface Configured<Settings> {
  name: string;
  config: Settings;
}

/**
 * The source of this kind that the shown secret is of. All of them are looked at, whichever it is, so that the time it takes
 * tells nothing; where two have the same secret, the first counts.
 */
export function sourceShown<Id extends string, Schema extends z.ZodObject>(
  { sources }: Pick<Config, 'sources'>,
  { id }: Source<Id, Schema>,
  isShown: (config: z.output<Schema>) => boolean,
): Configured<z.output<Schema>> | undefined {
  const known = [...sources.values()]
    .filter(({ type }) => type === id)
    .map(({ name, config }) => ({ name, config: config as z.output<Schema> }));
  return known.filter(({ config }) => isShown(config))[0];
}
