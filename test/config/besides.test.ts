/** `sms` of a mail template in the configuration: whom it names, and what is wrong with who cannot be told. */
import { describe, expect, it } from 'vitest';
import { besidesProblems, withBesidesOf } from '../../src/config/besides.ts';
import { fromText, REGISTRY } from '../../src/config/load.ts';
import { checkNames } from '../../src/config/stored.ts';
import { problemsIn } from '../support/problems.ts';

const mail = (template: string, more = '') =>
  `  mail: { type: email, host: h.example.com, from: a@example.com, to: [b@example.com]${more}, templates: { productionOutage: ${template} } }\n`;
const phone = (name: string) =>
  `  ${name}: { type: sms, account_sid: AC00000000000000000000000000000000, auth_token: sample-token-not-a-real-one, from: '+15005550006', to: ['+15551234567'] }\n`;
const load = (text: string, stored: readonly string[] | 'later' = []) =>
  fromText(
    `integrations:\n  out: { type: stdout }\n${text}default: { notify: [mail] }\n`,
    'tocsin.yaml',
    {},
    REGISTRY,
    stored,
  );
const problems = (text: string): string[] => problemsIn(() => load(text));
const OUTAGE = new Map([
  ['mail', [{ kind: 'productionOutage', to: 'phone', patience: { timeout_ms: 15_000, backoff_ms: 10_000 } }]],
]);

describe('sms of a template', () => {
  it.each([
    ['its name', '{ sms: phone }'],
    ['true, where there is no other', '{ sms: true }'],
  ])('is an integration of type sms, by %s', (_, template) => {
    expect(load(mail(template) + phone('phone')).routing.besides).toEqual(OUTAGE);
  });

  it('is nobody where it is false or the mail is switched off', () => {
    expect(load(mail('{ sms: false }') + phone('phone')).routing).not.toHaveProperty('besides');
    expect(load(mail('{ sms: phone }', ', enabled: false') + phone('phone')).routing).not.toHaveProperty('besides');
  });

  it.each([
    ['a name of nobody', mail('{ sms: phnoe }') + phone('phone'), 'there is no integration phnoe: did you mean phone?'],
    ['one that is no sms', mail('{ sms: out }'), 'out is of type stdout: only one of type sms can be told besides'],
    ['true without any', mail('{ sms: true }'), 'true stands for the only integration of type sms, and there is none'],
    ['true with two', mail('{ sms: true }') + phone('p1') + phone('p2'), 'and there is p1, p2: name the one'],
    ['a number', mail('{ sms: 7 }'), 'must be the name of an integration of type sms'],
    [
      'a reason',
      mail('{ sms: phone }').replace('productionOutage', 'escalated') + phone('phone'),
      'sms: goes by type of event, and escalated is a reason: name the integration of type sms in notify',
    ],
  ])('is refused with what would be right: %s', (_, text, words) => {
    expect(problems(text)).toEqual([expect.stringContaining(words)]);
    expect(problems(text)[0]).toMatch(/^line \d, integrations\.mail\.templates\.\w+\.sms: /);
  });

  it('may name one that is stored, which the ledger has to have and of that type', () => {
    const config = load(mail('{ sms: phone }'), 'later');
    expect(config.unresolved).toEqual([
      { name: 'phone', use: 'text', place: 'line 3, integrations.mail.templates.productionOutage.sms' },
    ]);
    expect(config.routing.besides?.get('mail')).toEqual([{ kind: 'productionOutage', to: 'phone' }]);
    expect(checkNames(config, [{ name: 'phone', type: 'sms' }], REGISTRY)).toEqual([]);
    expect(() => checkNames(config, [{ name: 'phone', type: 'webhook' }], REGISTRY)).toThrow('is of type webhook');
    expect(() => checkNames(config, [], REGISTRY)).toThrow('phone is neither in the file nor stored');
    const stored = load(mail('{ sms: false }') + phone('phone')).integrations.get('phone');
    if (!stored) throw new Error('no integration');
    const known = [...config.integrations.values(), stored];
    expect(withBesidesOf(config.routing, known, config.integrations, REGISTRY.channels).besides).toEqual(OUTAGE);
  });

  it('is asked of a stored mail as well', () => {
    const { integrations } = load(mail('{ sms: phone }') + phone('phone'));
    const wanted = integrations.get('mail');
    if (!wanted) throw new Error('no integration');
    const asked = (types: [string, string][]) => besidesProblems(wanted, new Map(types), REGISTRY.channels);
    expect(asked([['phone', 'sms']])).toEqual([]);
    expect(asked([['phone', 'slack']])).toEqual([
      {
        path: ['config', 'templates', 'productionOutage', 'sms'],
        problem: 'there is no integration of type sms phone: none is configured',
      },
    ]);
  });
});
