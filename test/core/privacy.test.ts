/** What is shown of people, by values: nothing that recognises one in anything that a channel is given. */
import { describe, expect, it } from 'vitest';
import { type Privacy, withPrivacy } from '../../src/core/privacy.ts';
import { noticeCases, noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

const user = (more: Partial<Parameters<typeof sampleAlert>[0]> = {}) =>
  sampleAlert({
    type: 'user_registered',
    title: 'New user ana.kim@example.com: Ana Kim',
    severity: 'info',
    labels: { environment: 'prod', email: 'ana.kim@example.com', note: 'asked bo@example.com' },
    body: 'Ana Kim signed in for the first time.',
    context: {
      display_name: 'Ana Kim',
      user_id: 42,
      invited: { by: ['bo@example.com'], name: 'Bo Lee', seats: 3 },
      'bo@example.com': true,
    },
    assignees: ['bo@example.com'],
    links: [
      { title: 'Profile of Ana Kim', url: 'https://example.com/users/42' },
      { title: 'Mail', url: 'https://example.com/users?email=ana.kim%40example.com' },
    ],
    ...more,
  });
const notice = (alerts = [user()]) =>
  sampleNotice({
    headline: alerts[0]?.title ?? '',
    lines: ['Ana Kim came by bo@example.com'],
    by: 'bo@example.com',
    pattern: 'New user …@example.com',
    components: ['mailbox ana.kim@example.com'],
    links: [{ title: 'Search', url: 'https://example.com/?q=bo@example.com' }],
    alerts,
    incident: { severity: 'info', title: alerts[0]?.title ?? '', alert_count: alerts.length, service: 'a@example.com' },
    story: {
      name: 'Ana Kim for bo@example.com',
      phase: 'end',
      ok: true,
      counts: { by: 'bo@example.com' },
      details: { for: 'Ana Kim' },
    },
  });

describe('the privacy of an integration', () => {
  it('shows all of it unless it is set', () => {
    const given = notice();
    expect(withPrivacy(given, 'full')).toBe(given);
  });

  it.each<Privacy>(['mask', 'none'])('%s leaves nobody to be recognised, in no field', (privacy) => {
    const text = JSON.stringify(withPrivacy(notice(), privacy));
    for (const part of ['ana.kim', 'Ana Kim', 'bo@', 'Bo Lee', 'email=']) expect(text).not.toContain(part);
    expect(text.includes('a•••@example.com')).toBe(privacy === 'mask');
    expect(text.includes('•••')).toBe(true);
  });

  it('mask keeps the first letter and the domain, and what says nothing of a person', () => {
    const { alerts, links, delivery, incident } = withPrivacy(notice(), 'mask');
    expect(alerts[0]).toMatchObject({
      title: 'New user a•••@example.com: A•••',
      body: 'A••• signed in for the first time.',
      labels: { environment: 'prod', email: 'a•••@example.com', note: 'asked b•••@example.com' },
      context: { display_name: 'A•••', user_id: 42, invited: { by: ['b•••@example.com'], name: 'B•••', seats: 3 } },
      links: [{ title: 'Profile of A•••', url: 'https://example.com/users/42' }],
    });
    expect(links).toEqual([]);
    expect(delivery).toEqual(notice().delivery);
    expect(incident).toMatchObject({ id: 'INC-1', status: 'open', severity: 'info', route: 'critical' });
  });

  it('none leaves the fields out', () => {
    const [alert] = withPrivacy(notice(), 'none').alerts;
    expect(alert?.labels).toEqual({ environment: 'prod', note: 'asked •••' });
    expect(alert?.context).toEqual({ user_id: 42, invited: { by: ['•••'], seats: 3 }, '•••': true });
  });

  it('knows a display name of new users only, and never takes it out of words of ours', () => {
    const alert = sampleAlert({ context: { name: 'web-1' }, title: 'web-1 mails ops@example.com' });
    expect(withPrivacy(sampleNotice({ alerts: [alert] }), 'mask').alerts[0]).toMatchObject({
      title: 'web-1 mails o•••@example.com',
      context: { name: 'web-1' },
    });
    const odd = notice([user({ context: { name: 'open' } }), user({ context: { name: 'info' } })]);
    const shown = withPrivacy(odd, 'mask');
    expect(shown.incident).toMatchObject({ status: 'open', severity: 'info' });
    expect(shown.alerts).toMatchObject([{ severity: 'info', type: 'user_registered' }, { status: 'firing' }]);
  });

  it('hides the longer of two names whole', () => {
    const both = user({ context: { name: 'Ana', display_name: 'Ana Kim' }, title: 'Ana Kim is here' });
    expect(withPrivacy(notice([both]), 'mask').alerts[0]?.title).toBe('A••• is here');
  });

  it.each(noticeCases.filter((name) => !/@|%40/.test(JSON.stringify(noticeOf(name)))))(
    'leaves the case %s of the golden files as it is: it names nobody',
    (name) => {
      expect(withPrivacy(noticeOf(name), 'mask')).toEqual(noticeOf(name));
    },
  );
});
