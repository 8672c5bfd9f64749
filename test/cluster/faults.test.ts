/** Rounds of faults on two APIs and two workers with PostgreSQL and Temporal. */
import { describe } from 'vitest';
import { cluster } from '../faults/cluster.ts';
import { keepsItsPromises } from '../faults/rounds.ts';

describe('a Tocsin of many processes under fire', () => keepsItsPromises(cluster, 1));
