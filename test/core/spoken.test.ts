/** Commands as people write them in a channel. */
import { describe, expect, it } from 'vitest';
import { ANSWERS, answerInWords, spoken } from '../../src/core/spoken.ts';

describe('what people write', () => {
  it.each([
    ['ack INC-7', { kind: 'ack', incident: 'INC-7' }],
    ['  ACK   7 ', { kind: 'ack', incident: '7' }],
    ['/ack #1042', { kind: 'ack', incident: '1042' }],
    ['resolve INC-7', { kind: 'resolve', incident: 'INC-7' }],
    ['unack INC-7', { kind: 'unack', incident: 'INC-7' }],
    ['snooze INC-7', { kind: 'snooze', incident: 'INC-7', for_ms: 3_600_000 }],
    ['Snooze INC-7 1H30M', { kind: 'snooze', incident: 'INC-7', for_ms: 5_400_000 }],
    ['who INC-7', { kind: 'who', incident: 'INC-7' }],
    ['status', { kind: 'status' }],
  ])('%j is understood', (words, command) => {
    expect(spoken(words)).toEqual(command);
  });

  it.each([
    ['', 'that is none of: ack'],
    ['please ack it', 'that is none of: ack'],
    ['constructor INC-7', 'that is none of'],
    ['ack', 'name the incident'],
    ['ack <@U1>', 'name the incident'],
    ['ack INC-7 now', 'takes an incident and nothing else'],
    ['snooze INC-7 for ever', 'from 1m to 30d'],
    ['snooze INC-7 1s', 'from 1m to 30d'],
    ['snooze INC-7 31d', 'from 1m to 30d'],
  ])('%j is answered with what would be right', (words, problem) => {
    expect(spoken(words)).toMatchObject({ problem: expect.stringContaining(problem) });
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
