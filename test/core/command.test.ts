import { describe, expect, it } from 'vitest';
import { commandOf } from '../../src/core/command.ts';

describe('a command written back', () => {
  it.each([
    ['ACK INC-7', 'ack INC-7'],
    ['ack 7', 'ack INC-7'],
    ['  Ack   inc7 ', 'ack INC-7'],
    ['/ack INC-7', 'ack INC-7'],
    ['/ack@tocsin_bot #7', 'ack INC-7'],
    ['snooze inc 7 1h', 'snooze INC-7 1h'],
    ['Resolve\nINC-1042', 'resolve INC-1042'],
    ['comment 7 disk is being replaced', 'comment INC-7 disk is being replaced'],
    ['Acknowledge 7', 'ack INC-7'],
    ['ack', 'ack'],
    ['ack 7th floor', 'ack 7th floor'],
  ])('%j is %j', (text, words) => {
    expect(commandOf(text)).toBe(words);
  });

  it.each(['', 'thanks', 'I am driving and will ack later', 'acknowledged', '/start', '/weather Seoul', 'stop', '7'])(
    '%j is none',
    (text) => {
      expect(commandOf(text)).toBeUndefined();
    },
  );

  it('is one line and not endless, whatever is written', () => {
    const words = commandOf(`ack 7 ${'x\u0000\n'.repeat(10_000)}`) ?? '';
    expect(words.length).toBeLessThan(310);
    expect(words).not.toMatch(/\p{Cc}/u);
  });
});
