/** What a configuration that must not load is told. */
import { ConfigError } from '../../src/config/problems.ts';

/** The problems that `load` throws. Throws whatever else it throws, and where it throws nothing. */
export function problemsIn(load: () => unknown): string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('expected problems, found none');
}
