/** Any JSON as events, by JSONata expressions in the configuration: https://docs.jsonata.org */
import { z } from 'zod';
import type { Event } from '../core/event.ts';
import { evaluate } from './jsonata/evaluate.ts';
import { eventIn } from './jsonata/event.ts';
import { PlanFields, planOf } from './jsonata/plan.ts';
import { withTidings } from './source/failing.ts';
import { addressTokenField, defineSlowSource, duration, refuseWithoutToken } from './source.ts';

const config = z.strictObject({
  ...PlanFields,
  token: addressTokenField().optional(),
  expire: duration().optional().meta({
    title: 'Expire',
    description: 'A firing alert not heard of again for so long counts as resolved. Absent: never.',
  }),
});

export const jsonata = defineSlowSource({
  id: 'jsonata',
  name: 'JSONata',
  setup:
    'Say for each field of an event the JSONata expression that gives it. A payload on which the mapping fails is kept, and told as mapping_failed.',
  config,
  verify: (_raw, headers, { token }, _now, query) => refuseWithoutToken(headers, token, query),

  async normalise(payload, { name, config, now, raw }) {
    const text = raw ? raw.toString('utf8') : (JSON.stringify(payload) ?? 'null');
    const { problem, entries } = await evaluate(planOf(config), text);
    const events: Event[] = [];
    const rejected: { index: number; problem: string }[] = problem === undefined ? [] : [{ index: 0, problem }];
    for (const entry of entries) {
      const event =
        'problem' in entry ? entry.problem : eventIn(entry.values, { source: name, expire: config.expire, now });
      if (typeof event === 'string') rejected.push({ index: entry.index, problem: event });
      else events.push(event);
    }
    return withTidings({ events, rejected }, { name, config, text, now });
  },
});
