import { describe, expect, it } from 'vitest';
import { countsOf, isEnd, isGood } from '../../src/core/story.ts';

describe('a chapter', () => {
  it.each(['job_completed', 'deploy:failed', 'build.success', 'pipeline/CANCELLED', 'gpu-oom', 'done'])(
    '%s ends its story',
    (type) => {
      expect(isEnd({ status: 'firing', type })).toBe(true);
    },
  );

  it.each(['job_started', 'deploy:progress', 'failed_job', 'completed.soon', ''])('%j does not end it', (type) => {
    expect(isEnd({ status: 'firing', type })).toBe(false);
  });

  it('that is resolved ends its story whatever its type', () => {
    expect(isEnd({ status: 'resolved', type: 'job_started' })).toBe(true);
  });

  it('is good unless its type or its severity says otherwise', () => {
    expect(isGood({ type: 'job_completed', severity: 'info' })).toBe(true);
    expect(isGood({ type: 'job_completed', severity: 'warning' })).toBe(true);
    expect(isGood({ type: 'job_failed', severity: 'info' })).toBe(false);
    expect(isGood({ type: 'job_progress', severity: 'error' })).toBe(false);
  });

  it('counts what its labels say in numbers', () => {
    for (const name of ['pull_request', 'run_number', 'deployment_id', 'line'])
      expect(countsOf({ [name]: '7' })).toEqual({});
    expect(countsOf({ success: '100', failed: '5', rate: '95.2%', delta: '-3', job: 'nightly-7', empty: '' })).toEqual({
      success: '100',
      failed: '5',
      rate: '95.2%',
      delta: '-3',
    });
  });
});
