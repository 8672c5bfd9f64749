import { describe, expect, it } from 'vitest';
import { closedEvent, createdEvent, genieKeyIn, opsgenie, updatedEvent, valueIn } from '../../src/sources/opsgenie.ts';
import create from '../samples/opsgenie/alertmanager-create.json' with { type: 'json' };
import description from '../samples/opsgenie/alertmanager-description.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const KEY = '70413a06-38d6-4c85-92b8-5ebc900d42e2';
const config = (more: object = {}) => opsgenie.config.parse({ api_key: KEY, ...more });
const created = (payload: unknown, more: object = {}) => {
  const event = createdEvent(payload, config(more), NOW);
  if ('problems' in event) throw new Error(event.problems.join());
  return event;
};

describe('an alert for Opsgenie', () => {
  it('keeps all that it says where it belongs', () => {
    expect(
      created({
        message: 'An example alert',
        alias: 'Life is too short',
        description: 'Every alert needs a description',
        responders: [
          { id: '4513b7ea-3b91-438f-b7e4-e3e54af9147c', type: 'team' },
          { name: 'NOC', type: 'team' },
          { username: 'trinity@example.com', type: 'user' },
        ],
        visibleTo: [{ name: 'rocket_team', type: 'team' }],
        actions: ['Restart'],
        tags: ['OverwriteQuietHours', 'env:prod'],
        details: { key1: 'value1', service: 'checkout' },
        entity: 'An example entity',
        source: 'https://watcher.example.com/42',
        priority: 'P1',
        user: 'ada',
        note: 'seen',
      }),
    ).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      source: 'opsgenie',
      type: 'alert',
      title: 'An example alert',
      body: 'Every alert needs a description',
      severity: 'critical',
      severity_word: 'P1',
      service: 'checkout',
      components: ['An example entity'],
      labels: { OverwriteQuietHours: 'true', env: 'prod', key1: 'value1', service: 'checkout' },
      assignees: ['4513b7ea-3b91-438f-b7e4-e3e54af9147c', 'NOC', 'trinity@example.com'],
      links: [{ title: 'Sender', url: 'https://watcher.example.com/42' }],
      status: 'firing',
      dedup_key: 'Life is too short',
      context: {
        details: { key1: 'value1', service: 'checkout' },
        tags: ['OverwriteQuietHours', 'env:prod'],
        actions: ['Restart'],
        source: 'https://watcher.example.com/42',
        note: 'seen',
        user: 'ada',
        visibleTo: [{ name: 'rocket_team', type: 'team' }],
      },
    });
  });

  it.each([
    ['P1', 'critical'],
    ['P2', 'error'],
    ['P3', 'warning'],
    ['P4', 'info'],
    ['P5', 'info'],
    [undefined, 'warning'],
  ])('of priority %s is %s', (priority, severity) => {
    expect(created({ message: 'm', priority }).severity).toBe(severity);
  });

  it.each([
    ['nothing', {}, ['message cannot be empty']],
    ['a priority that is none', { message: 'm', priority: 'P6' }, ['priority must be one of P1, P2, P3, P4, P5']],
    ['a long alias', { message: 'm', alias: 'a'.repeat(513) }, ['alias cannot be longer than 512 characters']],
  ])('with %s is refused in words', (_, payload, problems) => {
    expect(createdEvent(payload, config(), NOW)).toEqual({ problems });
  });

  it('of Alertmanager says what fires, for whom and how bad it is', () => {
    expect(created(create)).toMatchObject({
      type: 'CheckoutBroken',
      service: 'checkout',
      severity: 'critical',
      dedup_key: create.alias,
      assignees: ['ops'],
      labels: { alertname: 'CheckoutBroken', instance: 'web-1', shop: 'true', env: 'prod' },
    });
    expect(closedEvent(create.alias, config())).toMatchObject({ status: 'resolved', dedup_key: create.alias });
    const { id: _, body: __, context: ___, severity_word: ____, ...fired } = created(create, { expire: '1h' });
    const { expires_at: _____, ...lasting } = { ...fired, assignees: [], links: [], status: 'resolved' };
    const ended = closedEvent(create.alias, config(), { ...created(create), occurred_at: NOW.toISOString() });
    expect(ended).toEqual({ ...lasting, id: expect.any(String) });
  });

  it('without an alias is an alert of its own', () => {
    expect(created({ message: 'm' }).dedup_key).not.toBe(created({ message: 'm' }).dedup_key);
  });

  it('changes in one field at a time, and not at all where the field is as it was', () => {
    const before = created(create);
    const changed = (field: 'message' | 'description' | 'priority', body: object) => {
      const wanted = valueIn(body, field);
      if ('problems' in wanted) return wanted.problems;
      return updatedEvent(before, wanted, NOW);
    };
    expect(changed('description', description)).toBeUndefined();
    expect(changed('message', { message: 'It got worse' })).toEqual({
      ...before,
      id: expect.not.stringMatching(before.id),
      title: 'It got worse',
      occurred_at: NOW.toISOString(),
    });
    expect(changed('priority', { priority: 'P4' })).toMatchObject({ severity: 'info', severity_word: 'P4' });
    expect(changed('priority', { priority: 'P5' })).toMatchObject({ severity: 'info', severity_word: 'P5' });
    expect(changed('priority', { priority: 'urgent' })).toEqual(['priority must be one of P1, P2, P3, P4, P5']);
    expect(changed('message', {})).toEqual(['message cannot be empty']);
  });
});

describe('the key of a request', () => {
  it.each([
    [`GenieKey ${KEY}`, KEY],
    [`geniekey ${KEY}`, KEY],
    [`Bearer ${KEY}`, ''],
    [`GenieKey ${KEY} more`, ''],
    [undefined, ''],
  ])('in %j is %j', (authorization, key) => {
    expect(genieKeyIn({ authorization })).toBe(key);
  });
});
