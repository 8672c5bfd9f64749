import { describe, expect, it } from 'vitest';
import { mail } from '../../src/sources/mail.ts';

const NOW = new Date('2026-11-20T14:05:00Z');
const config = (more: object = {}) => mail.config.parse({ address: 'alerts', ...more });
const event = (subject: string, more: object = {}, letter: object = {}) => {
  const payload = { message_id: '<1@host>', from: 'a@example.com', subject, text: '', attachments: [], ...letter };
  return mail.normalise(payload, { name: 'nagios', config: config(more), now: NOW }).events[0];
};
const read = (subject: string, more: object = {}) => {
  const { severity, status, dedup_key } = event(subject, more) ?? {};
  return [severity, status, dedup_key];
};

describe('a letter', () => {
  it('is an event of its subject, its text and what it brings', () => {
    const letter = {
      text: ' the disk is full\n',
      date: '2026-11-20T14:00:00.000Z',
      attachments: [{ name: 'df.txt', type: 'text/plain', bytes: 3 }],
    };
    expect(event('[CRITICAL] Disk on db1', { service: 'db', expire: '1h' }, letter)).toEqual({
      id: '<1@host>',
      source: 'nagios',
      type: 'mail',
      title: '[CRITICAL] Disk on db1',
      severity: 'critical',
      severity_word: 'CRITICAL',
      status: 'firing',
      body: 'the disk is full',
      service: 'db',
      components: [],
      labels: { from: 'a@example.com' },
      assignees: [],
      links: [],
      dedup_key: 'disk on db1',
      context: { attachments: letter.attachments },
      occurred_at: '2026-11-20T14:00:00.000Z',
      expires_at: '2026-11-20T15:05:00.000Z',
    });
    expect(event('')?.title).toBe('(no subject)');
    expect(event('x', {}, { message_id: `<${'y'.repeat(300)}>` })?.id).toHaveLength(16);
  });

  it.each([
    ['[CRITICAL] Disk on db1', 'critical', 'firing', 'disk on db1'],
    ['[RESOLVED] [CRITICAL] Disk on db1', 'critical', 'resolved', 'disk on db1'],
    ['Warning: Disk on db1', 'warning', 'firing', 'disk on db1'],
    ['OK: "Disk on db1" in eu', 'warning', 'resolved', 'disk on db1 in eu'],
    ['ALARM: "Disk on db1" in eu', 'warning', 'firing', 'disk on db1 in eu'],
    ['** PROBLEM Service Alert: db1/disk is CRITICAL **', 'critical', 'firing', 'service alert db1/disk is'],
    ['** RECOVERY Service Alert: db1/disk is OK **', 'warning', 'resolved', 'service alert db1/disk is'],
    ['Re: Fwd: P1: db1', 'error', 'firing', 'db1'],
    ['[FIRING:2] DiskFull (shop critical)', 'critical', 'firing', 'diskfull shop'],
    ['[FIRING:1, RESOLVED:2] DiskFull (shop critical)', 'critical', 'firing', 'diskfull shop'],
    ['[RESOLVED] DiskFull (shop critical)', 'critical', 'resolved', 'diskfull shop'],
    ['[RESOLVED:2] page cache of db1', 'warning', 'resolved', 'page cache of db1'],
    ['monit alert -- Does not exist backup', 'warning', 'firing', 'monit backup'],
    ['monit alert -- Exists backup', 'warning', 'resolved', 'monit backup'],
    ['monit alert -- Resource limit matched db1', 'warning', 'firing', 'monit resource limit db1'],
    ['monit alert -- Resource limit succeeded db1', 'warning', 'resolved', 'monit resource limit db1'],
    ['monit alert -- Download bytes ok eth0', 'warning', 'resolved', 'monit download bytes eth0'],
    ['monit alert -- Content match db1', 'warning', 'firing', 'monit alert content match db1'],
    ['The nightly backup succeeded', 'warning', 'firing', 'the nightly backup succeeded'],
    ['db1 is ok with low load', 'warning', 'firing', 'db1 is ok with low load'],
    ['db1 is not OK', 'warning', 'firing', 'db1 is not'],
    ['LOW DISK SPACE', 'warning', 'firing', 'low disk space'],
    ['CRITICAL', 'critical', 'firing', 'critical'],
  ])('"%s" is %s and %s', (subject, severity, status, key) => {
    expect(read(subject)).toEqual([severity, status, key]);
  });

  it('is read by the words of the operator, where there are some', () => {
    expect(read('sev1 on db1', { severities: { SEV1: 'critical' }, severity: 'info' })).toEqual([
      'critical',
      'firing',
      'on db1',
    ]);
    expect(read('db1', { severity: 'info' })[0]).toBe('info');
    expect(read('[Wieder gut] db1: GUT', { resolve_words: ['gut'] })[1]).toBe('resolved');
    expect(read('OK: db1', { resolve_words: [] })[1]).toBe('firing');
    expect(read('monit alert -- Exists db1', { resolve_words: [] })[1]).toBe('firing');
    expect(read('monit alert -- Exists db1', { severities: { db1: 'critical' } })[0]).toBe('critical');
  });

  it('is one alert with others by an expression, else by its thread, else by its subject', () => {
    const thread = { thread_key: 'disk on db1' };
    const dedup = { dedup: 'ticket (\\d+)' };
    expect(event('Ticket 17 got worse', dedup, thread)?.dedup_key).toBe('17');
    expect(event('no number', dedup, thread)?.dedup_key).toBe('disk on db1');
    expect(event('no number', dedup)?.dedup_key).toBe('no number');
    expect(() => config({ dedup: '(' })).toThrow('is no regular expression');
    const started = performance.now();
    event('a'.repeat(20_000), { dedup: '^(a+)+$!' });
    event(`${'[x '.repeat(5_000)}${'re: '.repeat(5_000)}`);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('comes by SMTP alone', () => {
    expect(mail.normalise({ subject: 'x' }, { name: 'm', config: config(), now: NOW }).rejected).toHaveLength(1);
    expect(mail.verify(Buffer.alloc(0), {}, config(), NOW)).toBe('mail comes by SMTP, not over HTTP');
    expect(() => mail.config.parse({})).toThrow('address');
  });
});
