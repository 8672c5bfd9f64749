/** Sources that read what a vendor sends, given what no vendor ever sent: real messages with anything in any place of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datadog } from '../../src/sources/datadog.ts';
import { grafana } from '../../src/sources/grafana.ts';
import { opsgenie } from '../../src/sources/opsgenie.ts';
import { pagerduty } from '../../src/sources/pagerduty.ts';
import { sentry } from '../../src/sources/sentry.ts';
import { bytesOf, isWebLink, LIMITS, lengthOf, type Source } from '../../src/sources/source.ts';
import own from '../samples/datadog/default-test.json' with { type: 'json' };
import recorded from '../samples/datadog/recorded-triggered.json' with { type: 'json' };
import triggered from '../samples/datadog/triggered.json' with { type: 'json' };
import alerts from '../samples/grafana/firing-and-resolved.json' with { type: 'json' };
import alertWithValues from '../samples/grafana/v11-firing.json' with { type: 'json' };
import opsgenieCreate from '../samples/opsgenie/alertmanager-create.json' with { type: 'json' };
import pagerdutyResolve from '../samples/pagerduty/alertmanager-resolve.json' with { type: 'json' };
import pagerdutyTrigger from '../samples/pagerduty/alertmanager-trigger.json' with { type: 'json' };
import sentryAlert from '../samples/sentry/event-alert.json' with { type: 'json' };
import sentryIssue from '../samples/sentry/issue-resolved.json' with { type: 'json' };
import sentryMetric from '../samples/sentry/metric-alert.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const RUNS = 300;

type Steps = (string | number)[];

/** The way to every value within. */
const waysIn = (value: unknown, way: Steps = []): Steps[] =>
  typeof value === 'object' && value !== null
    ? [way, ...Object.entries(value).flatMap(([name, inner]) => waysIn(inner, [...way, name]))]
    : [way];

function withAt(value: unknown, [step, ...rest]: Steps, put: unknown): unknown {
  if (step === undefined) return put;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  copy[step] = withAt(copy[step], rest, put);
  return copy;
}

const anything = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('a\0b', 'a\ud800', '__proto__', 'constructor', 'toString', '', ' ', 'x'.repeat(40_000), 1e300, -1),
);

describe.each([
  ['grafana', grafana as Source, {}, [alerts, alertWithValues]],
  ['sentry', sentry as Source, { secret: 'a-secret-of-some-length' }, [sentryAlert, sentryIssue, sentryMetric]],
  ['datadog', datadog as Source, {}, [triggered, recorded, own]],
  ['pagerduty', pagerduty as Source, { routing_key: 'a'.repeat(32) }, [pagerdutyTrigger, pagerdutyResolve]],
  ['opsgenie', opsgenie as Source, { api_key: 'a-key-of-some-length' }, [opsgenieCreate]],
] as [string, Source, object, unknown[]][])('the source %s', (_, source, written, samples) => {
  const config = source.config.parse(written);

  it('makes events within the limits of whatever it is given, or says why there is none', () => {
    const changed = fc
      .constantFrom(...samples)
      .chain((sample) =>
        fc
          .array(fc.tuple(fc.constantFrom(...waysIn(sample)), anything), { minLength: 1, maxLength: 3 })
          .map((changes) => changes.reduce<unknown>((made, [way, put]) => tried(made, way, put), sample)),
      );
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: changed }, { weight: 1, arbitrary: fc.jsonValue() }), (payload) => {
        const { events, rejected } = source.normalise(payload, { name: 's', config, now: NOW });
        expect(events.length > 0 || rejected.length > 0 || hasNoAlerts(payload)).toBe(true);
        for (const event of events) {
          expect(JSON.stringify(event)).not.toMatch(/\\u0000|\\ud[89a-f]/);
          expect(event.id).not.toBe('');
          expect(event.title).not.toBe('');
          expect(lengthOf(event.id)).toBeLessThanOrEqual(LIMITS.id);
          expect(lengthOf(event.title)).toBeLessThanOrEqual(LIMITS.title);
          expect(bytesOf(event.body ?? '')).toBeLessThanOrEqual(LIMITS.bodyBytes);
          expect(event.links.every(({ url }) => isWebLink(url))).toBe(true);
        }
      }),
      { numRuns: RUNS },
    );
  });
});

/** A change within a value that an earlier change has replaced is left out. */
function tried(made: unknown, way: Steps, put: unknown): unknown {
  try {
    return withAt(made, way, put);
  } catch {
    return made;
  }
}

const hasNoAlerts = (payload: unknown): boolean =>
  typeof payload === 'object' && payload !== null && 'alerts' in payload && Array.isArray(payload.alerts);
