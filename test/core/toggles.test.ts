/** The switches by type of event: on unless they are set, and only for notices that nobody wants any part of. */
import { describe, expect, it } from 'vitest';
import { isAnyOff, switchedOff, TOGGLES } from '../../src/core/toggles.ts';

describe('a switch', () => {
  it.each(Object.entries(TOGGLES))('for %s is %s, and is on unless it is set to off', (type, toggle) => {
    expect(switchedOff([type], {})).toEqual([]);
    expect(switchedOff([type], { [toggle]: true })).toEqual([]);
    expect(switchedOff([type], { [toggle]: false })).toEqual([toggle]);
  });

  it('has the name that the integrations of the seeds use', () => {
    expect(TOGGLES).toEqual({
      job_started: 'log_job_started',
      job_completed: 'log_job_completed',
      job_failed: 'log_job_failed',
      job_cancelled: 'log_job_cancelled',
      gpu_oom: 'log_gpu_oom',
      timeout_warning: 'log_timeout_warning',
      disk_warning: 'log_disk_warning',
    });
  });

  it('says nothing of other types', () => {
    const all = Object.fromEntries(Object.values(TOGGLES).map((toggle) => [toggle, false]));
    for (const type of ['outage', 'job_paused', 'log_job_started', '', '__proto__', 'constructor'])
      expect(switchedOff([type], all)).toEqual([]);
  });
});

describe('a notice of several types', () => {
  it('is told while one of them is wanted', () => {
    expect(switchedOff(['job_failed', 'gpu_oom'], { log_gpu_oom: false })).toEqual([]);
    expect(switchedOff(['gpu_oom', 'outage'], { log_gpu_oom: false })).toEqual([]);
  });

  it('is not told where each is off, and every switch is named once', () => {
    const off = { log_gpu_oom: false, log_job_failed: false };
    expect(switchedOff(['job_failed', 'gpu_oom', 'gpu_oom'], off)).toEqual(['log_job_failed', 'log_gpu_oom']);
  });

  it('of no type at all is told', () => {
    expect(switchedOff([], { log_gpu_oom: false })).toEqual([]);
  });
});

it('whether any switch is off is known without looking at a notice', () => {
  expect([
    isAnyOff(undefined),
    isAnyOff({}),
    isAnyOff({ log_gpu_oom: true }),
    isAnyOff({ log_gpu_oom: false }),
  ]).toEqual([false, false, false, true]);
});
