/** The table of the measurements: what was wanted, whether it was met, and what makes the run fail. */
import { describe, expect, it } from 'vitest';
import { exitCodeOf, HEAD, type Line, rowOf } from './line.ts';

const met: Line = { what: 'told', measured: '9 ms', aim: '< 10 ms', met: true };
const missed: Line = { what: 'told', measured: '11 ms', against: 'raw 3 ms', aim: '< 10 ms', met: false };
const figure: Line = { what: 'memory', measured: '80 MB' };
const lost = (count: number): Line => ({ ...met, what: 'killed', lost: count });

describe('a line of the measurements', () => {
  it('says whether its aim was met, and nothing where there is none', () => {
    expect([HEAD[0], rowOf(met), rowOf(missed), rowOf(figure)]).toEqual([
      '| what | measured | against, in the same run | aim | met |',
      '| told | 9 ms |  | < 10 ms | met |',
      '| told | 11 ms | raw 3 ms | < 10 ms | not met |',
      '| memory | 80 MB |  |  |  |',
    ]);
  });

  it('fails the run where something was lost, never for an aim', () => {
    expect(exitCodeOf([met, missed, figure, lost(0)])).toBe(0);
    expect(exitCodeOf([met, lost(1)])).toBe(1);
  });
});
