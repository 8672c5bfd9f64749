/** Rounds of faults on an embedded Tocsin; ten here, two hundred with `npm run faults`. */
import { describe } from 'vitest';
import { embedded } from './embedded.ts';
import { keepsItsPromises } from './rounds.ts';

describe('an embedded Tocsin under fire', () => keepsItsPromises(embedded, 3));
