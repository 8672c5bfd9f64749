import { describe, expect, it } from 'vitest';
import { countsOf, detailsOf, durationSaid, isEnd, isGood } from '../../src/core/story.ts';

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

  it('counts what its labels say in numbers, and whatever its context calls counts or stats', () => {
    const labels = { success: '100', failed: '5', rate: '95.2%', delta: '-3', job: 'nightly-7', empty: '' };
    const counted = { success: '100', failed: '5', rate: '95.2%', delta: '-3' };
    expect(countsOf({ labels })).toEqual(counted);
    for (const name of ['pull_request', 'run_number', 'deployment_id', 'line'])
      expect(countsOf({ labels: { [name]: '7' } })).toEqual({});
    const context = { counts: { success: 101 }, stats: { model: 'small', layers: [1, 2], none: null }, other: 1 };
    expect(countsOf({ labels, context })).toEqual({ ...counted, success: '101', model: 'small', layers: '[1,2]' });
  });

  it('tells what its job was begun with: the environment and the metadata, as far as they are what they should be', () => {
    const context = { environment: 'staging', metadata: { batch: 32, dry: false, note: '' } };
    expect(detailsOf({ labels: {}, context })).toEqual({ environment: 'staging', batch: '32', dry: 'false' });
    expect(detailsOf({ labels: { env: 'prod' }, context: { metadata: 'a text' } })).toEqual({ environment: 'prod' });
    expect(detailsOf({ labels: {}, context: ['a list'] })).toEqual({});
  });

  it('took as long as its context says, where that is a length of time', () => {
    expect(durationSaid({ context: { duration_s: 1.5 } })).toBe(1_500);
    for (const context of [{ duration_s: -1 }, { duration_s: '2' }, null, undefined])
      expect(durationSaid({ ...(context === undefined ? {} : { context }) })).toBeUndefined();
  });
});
