import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AnswerAction } from '../../src/core/spoken.ts';
import { createTokens } from '../../src/ledger/tokens.ts';
import { one } from '../support/ledger.ts';
import { type Api, startApi } from './harness.ts';

const tokens = createTokens([randomBytes(32)]);
let api: Api;
beforeAll(async () => {
  api = await startApi({ tokens });
});
afterAll(() => api.stop());

async function linkTo(action: AnswerAction, title = 'it broke'): Promise<{ incident: string; path: string }> {
  const incident = await api.incident(title);
  const { number } = await one<{ number: number }>(
    api.ledger,
    `insert into deliveries (key, incident, target, reason, status, scheduled_at) values ($1, $2, 'ops-mail', 'group_now', 'delivered', now()) returning number`,
    [`${incident}/group_now/1/ops-mail`, incident],
  );
  return { incident, path: `/a/${tokens.sign(number, action, api.clock.now)}` };
}
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const statusOf = async (incident: string) =>
  one<{ status: string; answered_by: string | null }>(
    api.ledger,
    'select status, answered_by from incidents where id = $1',
    [incident],
  );

describe('a link of a message', () => {
  it('shows what it would do, and does nothing until the button is pressed: link scanners acknowledge nothing', async () => {
    const { incident, path } = await linkTo('ack');
    for (const method of ['GET', 'HEAD', 'GET']) expect((await api.call(method, path)).status).toBe(200);
    const { text, headers } = await api.call('GET', path);
    expect(text).toContain('Acknowledge?');
    expect(text).toContain(incident);
    expect(text).toContain('<form method="post">');
    expect(headers.get('content-type')).toContain('text/html');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('content-security-policy')).toContain("form-action 'self'");
    expect(await statusOf(incident)).toEqual({ status: 'open', answered_by: null });
  });

  it('answers when the button is pressed, in the name that was written, and wakes the relay', async () => {
    const { incident, path } = await linkTo('ack');
    const before = api.woken();
    const { status, text } = await api.call('POST', path, { raw: 'name=Ana+Kim', headers: form });
    expect(status).toBe(200);
    expect(text).toContain(`${incident} is acknowledged, by you.`);
    expect(await statusOf(incident)).toEqual({ status: 'acknowledged', answered_by: 'Ana Kim (link, ops-mail)' });
    expect(api.woken()).toBe(before + 1);
  });

  it('needs no name, and no key', async () => {
    const { incident, path } = await linkTo('resolve');
    await api.call('POST', path, { raw: '', headers: form });
    expect(await statusOf(incident)).toEqual({ status: 'resolved', answered_by: 'somebody (link, ops-mail)' });
  });

  it('is good for once', async () => {
    const { path } = await linkTo('snooze');
    await api.call('POST', path, { raw: 'name=ana', headers: form });
    expect((await api.call('POST', path, { raw: 'name=ben', headers: form })).text).toContain(
      'By ana (link, ops-mail)',
    );
    const { text } = await api.call('GET', path);
    expect(text).toContain('was used by ana');
    expect(text).not.toContain('<form');
  });

  it('lets neither a title nor a name become markup', async () => {
    const { path } = await linkTo('ack', '<script>alert(1)</script>"\'&');
    expect((await api.call('GET', path)).text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;');
    await api.call('POST', path, { raw: `name=${encodeURIComponent('<b>x</b>')}`, headers: form });
    expect((await api.call('GET', path)).text).toContain('&lt;b&gt;x&lt;/b&gt;');
  });

  it('that is none, is too old, or comes where nothing is signed, is a page that says so', async () => {
    const { path } = await linkTo('ack');
    for (const method of ['GET', 'POST']) {
      expect((await api.call(method, '/a/none-of-ours')).status).toBe(404);
      expect((await api.call(method, `${path.slice(0, -1)}~`)).status).toBe(404);
    }
    const unsigned = await api.beside({ tokens: undefined });
    expect((await unsigned.call('GET', path)).text).toContain('no link of ours');
    await unsigned.stop();
    const later = await api.beside({ now: () => new Date(api.clock.now.getTime() + 76 * 3_600_000) });
    const { status, text } = await later.call('POST', path, { raw: '', headers: form });
    expect([status, text]).toEqual([404, expect.stringContaining('expired')]);
    await later.stop();
  });
});
