import { describe, expect, it } from 'vitest';
import { cloudevents } from '../../src/sources/cloudevents.ts';
import conformance from '../samples/cloudevents/conformance.json' with { type: 'json' };
import ptp from '../samples/cloudevents/ptp-sync-state.json' with { type: 'json' };

const NOW = new Date('2026-11-20T14:05:00Z');
const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const MINIMAL = { specversion: '1.0', id: 'a-1', source: '/shop', type: 'com.example.disk.full' };
const normalise = (payload: unknown, headers: Record<string, string> = STRUCTURED, config: object = {}) =>
  cloudevents.normalise(payload, { name: 'ce', config: cloudevents.config.parse(config), now: NOW, headers });
const eventOf = (more: object) => normalise({ ...MINIMAL, ...more }).events[0];
const binary = (more: Record<string, string> = {}) => ({
  'ce-specversion': '1.0',
  'ce-id': 'a-1',
  'ce-source': '/shop',
  'ce-type': 'com.example.disk.full',
  ...more,
});

describe('a structured CloudEvent', () => {
  it('becomes an event, its data read where that has our own words', () => {
    const { events, rejected } = normalise({
      ...MINIMAL,
      subject: 'host-1',
      time: '2026-11-20T14:00:00.123456789Z',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      region: 'eu',
      shard: 3,
      severitytext: 'FATAL',
      severitynumber: 21,
      expirytime: '2026-11-20T16:00:00+01:00',
      data: {
        title: 'The disk is full',
        body: 'Nothing is written any more.',
        service: 'shop',
        labels: { environment: 'production' },
        links: [{ title: 'Runbook', url: 'https://runbooks.example.com/disk' }, { url: 'javascript:x' }, 4],
        free: 0,
      },
    });
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: 'a-1',
        source: '/shop',
        type: 'com.example.disk.full',
        title: 'The disk is full',
        body: 'Nothing is written any more.',
        severity: 'critical',
        severity_word: 'FATAL',
        service: 'shop',
        components: ['host-1'],
        labels: { environment: 'production', region: 'eu', shard: '3', subject: 'host-1' },
        assignees: [],
        links: [{ title: 'Runbook', url: 'https://runbooks.example.com/disk' }],
        status: 'firing',
        dedup_key: 'com.example.disk.full/host-1',
        trace_id: '0af7651916cd43dd8448eb211c80319c',
        occurred_at: '2026-11-20T14:00:00.123456789Z',
        expires_at: '2026-11-20T15:00:00.000Z',
        context: expect.objectContaining({ free: 0 }),
      },
    ]);
  });

  it('of StarlingX is told although the time in it is none', () => {
    expect(normalise(ptp)).toEqual({
      events: [
        {
          id: 'd38af5a6-70bb-4b3d-892a-df50cf2fdb09',
          source: '/sync/sync-status/sync-state',
          type: 'event.sync.sync-status.synchronization-state-change',
          title: 'event.sync.sync-status.synchronization-state-change',
          severity: 'info',
          components: [],
          labels: {},
          assignees: [],
          links: [],
          status: 'firing',
          context: ptp.data,
        },
      ],
      rejected: [],
    });
  });

  it('that is resolved ends the alert of the same key, or of the same type and subject', () => {
    const keys = (more: object) => [eventOf(more)?.dedup_key, eventOf({ ...more, status: 'resolved' })?.dedup_key];
    expect(eventOf({ subject: 'h', data: { status: 'Resolved' } })?.status).toBe('resolved');
    expect(keys({ subject: 'h' })).toEqual(['com.example.disk.full/h', 'com.example.disk.full/h']);
    expect(keys({ subject: 'h', dedupkey: 'k' })).toEqual(['k', 'k']);
    expect(keys({ data: { dedup_key: 'd' } })).toEqual(['d', 'd']);
    expect(eventOf({ expirytime: '2027-01-01T00:00:00Z', status: 'resolved' })).not.toHaveProperty('expires_at');
  });

  it('has the severity of its extension, by word or by OpenTelemetry’s number, else that of its data', () => {
    const severity = (more: object) => eventOf(more)?.severity;
    expect([4, 9, 13, 17, 21].map((severitynumber) => severity({ severitynumber }))).toEqual([
      'info',
      'info',
      'warning',
      'error',
      'critical',
    ]);
    expect(severity({ severitytext: 'WARN', severitynumber: 21 })).toBe('warning');
    expect(eventOf({ severitytext: 'SEVERE', severitynumber: 17 })).toMatchObject({
      severity: 'error',
      severity_word: 'SEVERE',
    });
    expect(severity({ data: { severity: 'P0' } })).toBe('critical');
    expect(severity({})).toBe('info');
  });

  it('may carry its data as bytes', () => {
    const data_base64 = (text: string) => Buffer.from(text).toString('base64');
    expect(eventOf({ data_base64: data_base64('{"title":"T"}'), datacontenttype: 'application/json' })?.title).toBe(
      'T',
    );
    expect(eventOf({ data_base64: data_base64('hello'), datacontenttype: 'text/plain' })?.body).toBe('hello');
    expect(eventOf({ data_base64: data_base64('GIF89a'), datacontenttype: 'image/gif' })?.body).toBe(
      '6 bytes of image/gif',
    );
    expect(eventOf({ data: 'as it is' })).toMatchObject({ title: 'com.example.disk.full', body: 'as it is' });
  });

  it.each(conformance.valid)('of the conformance suite is taken: $id', ({ event }) => {
    const { events, rejected } = normalise(event);
    expect([events[0]?.id, events[0]?.source, rejected]).toEqual([event.id, event.source, []]);
  });

  it.each(conformance.invalid)('of the conformance suite is rejected in words: $id', ({ event }) => {
    const { events, rejected } = normalise(event);
    expect([events, rejected]).toEqual([[], [{ index: 0, problem: expect.stringMatching(/CloudEvent/) }]]);
  });

  it.each(conformance.forgiven)('is read in spite of what is wrong beside the point: $id', ({ event }) => {
    expect(normalise(event).events).toHaveLength(1);
  });
});

describe('a batch', () => {
  it('is one event for each, and what is none of them is named', () => {
    const { events, rejected } = normalise([
      MINIMAL,
      'no',
      { ...MINIMAL, id: 'a-2' },
      { ...MINIMAL, specversion: '0.3' },
      null,
      [],
    ]);
    expect(events.map(({ id }) => id)).toEqual(['a-1', 'a-2']);
    expect(rejected.map(({ index }) => index)).toEqual([1, 3, 4, 5]);
    expect(normalise([])).toEqual({ events: [], rejected: [] });
  });
});

describe('a binary CloudEvent', () => {
  it('has its attributes in headers, percent-decoded once, and its data in the body', () => {
    const headers = binary({ 'ce-subject': '"Euro%20%E2%82%AC%2520"', 'content-type': 'application/json' });
    expect(normalise({ title: 'T' }, headers).events[0]).toMatchObject({
      id: 'a-1',
      title: 'T',
      labels: { subject: 'Euro €%20' },
    });
    expect(normalise(Buffer.from('<a/>'), binary({ 'content-type': 'application/xml' })).events[0]?.body).toBe('<a/>');
    expect(normalise(Buffer.from('{"title":"T"}'), binary()).events[0]?.title).toBe('T');
    expect(normalise(Buffer.alloc(0), binary()).events[0]).toMatchObject({ title: 'com.example.disk.full' });
    expect(normalise(Buffer.from([1, 2]), binary({ 'content-type': 'image/png' })).events[0]?.body).toBe(
      '2 bytes of image/png',
    );
  });

  it('takes a list in its body for its data, not for a batch', () => {
    expect(normalise([1, 2], binary({ 'content-type': 'application/json' })).events).toEqual([
      expect.objectContaining({ context: [1, 2] }),
    ]);
  });

  it('is rejected where a header is no UTF-8, or one that has to be there is not', () => {
    expect(normalise({}, binary({ 'ce-subject': '%C3%28' })).rejected).toEqual([
      { index: 0, problem: 'the header ce-subject is not UTF-8' },
    ]);
    expect(normalise({}, { ...binary(), 'ce-id': '' }).rejected).toEqual([
      { index: 0, problem: 'the CloudEvent has no id' },
    ]);
    expect(normalise(Buffer.alloc(0), { 'ce-id': 'x' }).rejected).toHaveLength(1);
  });

  it('is what its headers say whatever they hold', () => {
    const odd = binary({
      'ce-__proto__': 'x',
      'ce-constructor': 'y',
      'ce-my-ext': 'z',
      'ce-time': '%',
      'ce-subject': '%ZZ',
    });
    expect(normalise({}, odd).events[0]?.labels).toEqual({ constructor: 'y', subject: '%ZZ' });
  });
});

describe('the id of a CloudEvent', () => {
  it('is its own, and a hash with its source where the two cannot be kept as they are', () => {
    const long = (end: string) => normalise({ ...MINIMAL, source: `/${'s'.repeat(200)}/${end}` }).events[0]?.id;
    expect(long('a')).toMatch(/^[0-9a-f]{64}$/);
    expect(long('a')).not.toBe(long('b'));
    expect(long('a')).toBe(long('a'));
    const [named] = normalise(MINIMAL, STRUCTURED, { source: 'events' }).events;
    expect(named).toMatchObject({
      source: 'events',
      labels: { ce_source: '/shop' },
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(eventOf({ id: 'x'.repeat(300) })?.id).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('the way a body is read', () => {
  const reads = (type: string | undefined, more: Record<string, string> = {}, body = '{}') =>
    cloudevents.reads?.(Buffer.from(body), { ...more, ...(type !== undefined && { 'content-type': type }) });

  it('is said by the content type, in any case', () => {
    for (const type of [
      'application/cloudevents+json',
      'Application/CloudEvents+JSON; charset=UTF-8',
      'application/cloudevents-batch+json',
      'application/cloudevents',
      'application/json',
    ])
      expect([type, reads(type)]).toEqual([type, 'json']);
    for (const type of [
      'application/cloudevents+xml',
      'application/cloudevents-batch+avro',
      'application/cloudeventsx',
      'text/plain',
    ])
      expect([type, reads(type)]).toEqual([type, 'unknown']);
  });

  it('is by bytes in binary mode, unless its data is JSON', () => {
    expect(reads('application/vnd.shop+json', binary())).toBe('json');
    expect(reads('application/json', binary(), '')).toBe('bytes');
    expect(reads('image/png', binary())).toBe('bytes');
    expect(reads(undefined, binary())).toBe('bytes');
    expect(reads('application/cloudevents+json', binary())).toBe('json');
  });
});
