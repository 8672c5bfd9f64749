/** Commands as people write them in a channel. */
import { describe, expect, it } from 'vitest';
import { ANSWERS, answerInWords, commandIn, spoken } from '../../src/core/spoken.ts';

describe('what people write', () => {
  it.each([
    ['ack INC-7', { kind: 'ack', incident: '7' }],
    ['  ACK   7 ', { kind: 'ack', incident: '7' }],
    ['Acknowledge 7', { kind: 'ack', incident: '7' }],
    ['/ack@tocsin_bot #1042', { kind: 'ack', incident: '1042' }],
    ['Resolve\nINC-1042', { kind: 'resolve', incident: '1042' }],
    ['resolve inc7', { kind: 'resolve', incident: '7' }],
    ['unack my.ops-7', { kind: 'unack', incident: '7' }],
    ['escalate inc 7', { kind: 'escalate', incident: '7' }],
    ['snooze INC-7', { kind: 'snooze', incident: '7', for_ms: 3_600_000 }],
    ['Snooze inc 7 1H30M', { kind: 'snooze', incident: '7', for_ms: 5_400_000 }],
    ['comment 7 the disk is being replaced', { kind: 'comment', incident: '7', text: 'the disk is being replaced' }],
    ['who INC-7', { kind: 'who', incident: '7' }],
    ['status', { kind: 'status' }],
  ])('%j is understood', (words, command) => {
    expect(spoken(words)).toEqual(command);
  });

  it.each([
    ['', 'that is none of: ack'],
    ['please ack it', 'that is none of: ack'],
    ['constructor INC-7', 'that is none of'],
    ['ack', 'name the incident'],
    ['ack 7th floor', 'name the incident'],
    ['ack <@U1>', 'name the incident'],
    ['ack INC-7 now', 'takes an incident and nothing else'],
    ['comment 7', 'say something'],
    ['snooze INC-7 for ever', 'from 1m to 30d'],
    ['snooze INC-7 1s', 'from 1m to 30d'],
    ['snooze INC-7 31d', 'from 1m to 30d'],
  ])('%j is answered with what would be right', (words, problem) => {
    expect(spoken(words)).toMatchObject({ problem: expect.stringContaining(problem) });
  });

  it.each(['', 'thanks', 'I am driving and will ack later', 'acknowledged', '/start', '/weather Seoul', 'stop', '7'])(
    '%j is no command',
    (text) => {
      expect(commandIn(text)).toBeUndefined();
    },
  );

  it('is one line and not endless', () => {
    const words = commandIn(`ack 7 ${'x\u0000\n'.repeat(10_000)}`) ?? '';
    expect(words.length).toBeLessThan(310);
    expect(words).not.toMatch(/\p{Cc}/u);
  });
});

describe('the person who answered', () => {
  it('is told how it ended, and who was first', () => {
    const incident = { id: 'INC-7', status: 'acknowledged' };
    expect(answerInWords({ outcome: 'done', by: 'ana' }, incident)).toBe('INC-7 is acknowledged, by you.');
    expect(answerInWords({ outcome: 'already', by: 'ana' }, incident)).toBe('ana was first: INC-7 is acknowledged.');
    expect(answerInWords({ outcome: 'already' }, incident)).toBe('INC-7 is acknowledged already.');
  });

  it('reads on the button how long a snooze lasts', () => {
    expect(ANSWERS.snooze).toBe('Snooze 1 h');
  });
});
