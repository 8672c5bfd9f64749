import { describe, expect, it } from 'vitest';
import {
  DEAD_MAX,
  type Failed,
  type Health,
  healthEvent,
  isProbeDue,
  ONLY_FAILURES_MS,
  PROBE_EVERY_MS,
  REFUSED_MAX,
  wellSince,
  withFailure,
} from '../../src/core/health.ts';
import { DAY, HOUR } from '../support/policies.ts';

const START = Date.UTC(2026, 0, 15, 9);
const failed = (more: Partial<Failed> = {}): Failed => ({ channel: 'slack', failure: 'server', dead: false, ...more });
const refused = failed({ failure: 'auth', dead: true });

/** The health after these failures, one second after the other. */
const endured = (failures: Failed[], health: Health = wellSince(START), from = START): Health =>
  failures.reduce((soFar, one, index) => withFailure(soFar, one, from + index * 1_000), health);
const times = (count: number, one: Failed): Failed[] => Array.from({ length: count }, () => one);

describe('an integration', () => {
  it.each(['gone', 'auth'])('that refuses three times in a row (%s) is disabled with the third', (failure) => {
    const one = failed({ failure, dead: true });
    expect(endured(times(REFUSED_MAX - 1, one))).toMatchObject({ state: 'ok', refused: 2 });
    expect(endured(times(REFUSED_MAX, one))).toMatchObject({
      state: 'disabled',
      because: 'refused',
      since: START + 2_000,
      failing_since: START,
    });
  });

  it('that is disabled stays so whatever fails then, and keeps why', () => {
    const disabled = endured(times(REFUSED_MAX, refused));
    expect(endured(times(20, failed({ dead: true })), disabled, START + 9 * DAY)).toMatchObject({
      state: 'disabled',
      because: 'refused',
      since: disabled.since,
    });
  });

  it('that is a webhook and answers 410 is disabled at once, as Standard Webhooks wants it', () => {
    const gone = failed({ channel: 'webhook', failure: 'gone', code: '410', dead: true });
    expect(endured([gone])).toMatchObject({ state: 'disabled', because: 'gone' });
    expect(endured([{ ...gone, code: '404' }])).toMatchObject({ state: 'ok', refused: 1 });
    expect(endured([{ ...gone, channel: 'slack' }])).toMatchObject({ state: 'ok', refused: 1 });
  });

  it('whose deliveries die one after the other is failing with the tenth, and is not disabled', () => {
    const dead = failed({ dead: true });
    expect(endured(times(DEAD_MAX - 1, dead))).toMatchObject({ state: 'ok' });
    expect(endured(times(DEAD_MAX, dead))).toMatchObject({ state: 'failing', because: 'dead_in_a_row' });
    expect(endured(times(100, dead))).toMatchObject({ state: 'failing', since: START + (DEAD_MAX - 1) * 1_000 });
  });

  it('that has done nothing but fail for five days is failing', () => {
    const first = endured([failed()]);
    expect(withFailure(first, failed(), START + ONLY_FAILURES_MS - 1)).toMatchObject({ state: 'ok' });
    expect(withFailure(first, failed(), START + ONLY_FAILURES_MS)).toMatchObject({
      state: 'failing',
      because: 'only_failures',
    });
  });

  it('that is failing and then refuses three times is disabled', () => {
    const failing = endured(times(DEAD_MAX, failed({ dead: true })));
    expect(endured(times(REFUSED_MAX, refused), failing, START + HOUR)).toMatchObject({
      state: 'disabled',
      because: 'refused',
      since: START + HOUR + 2_000,
    });
  });

  it('that is disabled is probed at once where it never was, and then every fifteen minutes', () => {
    expect(isProbeDue(undefined, START)).toBe(true);
    expect(isProbeDue(START, START + PROBE_EVERY_MS - 1)).toBe(false);
    expect(isProbeDue(START, START + PROBE_EVERY_MS)).toBe(true);
  });
});

describe('what operators are told', () => {
  const since = '2026-01-15T09:00:00.000Z';

  it('is an event of its own that is firing while the integration is not well', () => {
    expect(
      healthEvent('hook', { state: 'disabled', since, because: 'refused', failure: 'auth', detail: 'HTTP 401' }, 'ok'),
    ).toMatchObject({
      id: `integration/hook/disabled/${since}`,
      source: 'tocsin',
      type: 'integration_disabled',
      severity: 'error',
      status: 'firing',
      dedup_key: 'integration/hook',
      title: 'Integration hook is disabled',
      body: expect.stringContaining('(auth: HTTP 401)'),
    });
    expect(healthEvent('hook', { state: 'failing', since, because: 'dead_in_a_row' }, 'ok')).toMatchObject({
      type: 'integration_failing',
      severity: 'warning',
    });
  });

  it('ends when it works again, by the same dedup_key', () => {
    expect(healthEvent('hook', { state: 'ok', since }, 'disabled')).toMatchObject({
      type: 'integration_disabled',
      status: 'resolved',
      dedup_key: 'integration/hook',
      title: 'Integration hook works again',
    });
    expect(healthEvent('hook', { state: 'ok', since }, 'failing')).toMatchObject({ type: 'integration_failing' });
  });
});
