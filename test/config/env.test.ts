import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { envTable } from '../../src/config/env.ts';
import { fromEnvironment } from '../../src/config/load.ts';
import type { Event, Severity } from '../../src/core/event.ts';
import { decide } from '../../src/core/route.ts';
import { sources } from '../../src/sources/index.ts';

const load = (env: Record<string, string>) => fromEnvironment(env, { channels, writers, sources });
const told = (env: Record<string, string>, type: string, severity: Severity = 'info', labels = {}) => {
  const event: Event = {
    id: '1',
    source: 's',
    type,
    title: 'x',
    severity,
    components: [],
    labels,
    assignees: [],
    links: [],
    status: 'firing',
  };
  return decide(event, load(env).routing, [], new Date(0)).routes.map((taken) => [
    taken.route,
    taken.outcome === 'join' ? taken.policy.notify : [],
  ]);
};

const hook = (last: string) => `https://hooks.slack.com/services/T00000000/B00000000/${last.repeat(24)}`;
const SLACK = { SLACK_WEBHOOK_URL: hook('a') };
const BOT = { SLACK_BOT_TOKEN: 'xoxb-1234567890-abcdef', SLACK_DEFAULT_CHANNEL: 'C1234567890' };
const MAIL = {
  SMTP_HOST: 'mail.example.com',
  SMTP_USERNAME: 'alerts@example.com',
  SMTP_PASSWORD: 'app-password',
  SMTP_TO: 'ops@example.com, dev@example.com',
};
const DISCORD = {
  DISCORD_WEBHOOK_PRIMARY: 'https://discord.com/api/webhooks/123456789012345678/primary-token',
  DISCORD_WEBHOOK_BACKUP: 'https://discord.com/api/webhooks/223456789012345678/backup-token',
};
const NOTION = { NOTION_API_TOKEN: 'ntn_1234567890', NOTION_DATABASE_ID: '0123456789abcdef0123456789abcdef' };
const JIRA = {
  JIRA_BASE_URL: 'https://your-org.atlassian.net',
  JIRA_EMAIL: 'alerts@example.com',
  JIRA_API_TOKEN: 'ATATT3xFf-1234567890',
  JIRA_PROJECT_KEY: 'OPS',
};
const PAGER = { PAGERDUTY_INTEGRATION_KEY: '0123456789abcdef0123456789ABCDEF' };
const COMPLETE: Record<string, string> = {
  GRPC_PORT: '9090',
  GRPC_HOST: '0.0.0.0',
  GRPC_TLS_CERT: 'a certificate',
  GRPC_TLS_KEY: 'its key',
  ...SLACK,
  SLACK_WEBHOOK_URL_INFO: hook('b'),
  SLACK_WEBHOOK_URL_WARNING: hook('c'),
  SLACK_WEBHOOK_URL_ERROR: hook('d'),
  SLACK_WEBHOOK_URL_CRITICAL: hook('e'),
  ...BOT,
  SLACK_USERS_CHANNEL: 'C4444444444',
  ...DISCORD,
  SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
  ...MAIL,
  SMTP_PORT: '465',
  SMTP_FROM: 'tocsin@example.com',
  ...NOTION,
  ...JIRA,
  JIRA_ISSUE_TYPE: 'Incident',
  ...PAGER,
  PAGERDUTY_API_TOKEN: 'y_1234567890abcdefgh',
  NOTION_INCIDENTS_DATABASE_ID: 'fedcba9876543210fedcba9876543210',
  TOCSIN_TIMEZONE: 'Asia/Seoul',
  GRAFANA_URL: 'https://grafana.example.com',
  PROM_URL: 'https://prometheus.example.com',
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-env-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the environment without a file', () => {
  it('that says nothing shows notifications in the terminal', () => {
    const config = load({});
    expect([...config.integrations.values()]).toEqual([expect.objectContaining({ name: 'terminal', type: 'stdout' })]);
    expect(config.warnings).toEqual([]);
    expect(told({}, 'anything')).toEqual([['default', ['terminal']]]);
  });

  it('configures everything its variables name', () => {
    const { integrations, links, summaries, secrets, warnings } = load(COMPLETE);
    expect(integrations.get('slack')?.config).toMatchObject({
      url: hook('a'),
      urls: { info: hook('b'), warning: hook('c'), error: hook('d'), critical: hook('e') },
    });
    expect(integrations.get('slack-bot')?.config).toMatchObject({ token: BOT.SLACK_BOT_TOKEN, channel: 'C1234567890' });
    expect(integrations.get('slack-users')?.config).toMatchObject({
      token: BOT.SLACK_BOT_TOKEN,
      channel: 'C4444444444',
    });
    expect(integrations.get('discord')).toMatchObject({
      config: { url: DISCORD.DISCORD_WEBHOOK_PRIMARY },
      rate: { count: 30, per_ms: 60_000 },
    });
    expect(integrations.get('discord-backup')?.config).toMatchObject({ url: DISCORD.DISCORD_WEBHOOK_BACKUP });
    expect(integrations.get('email')?.config).toMatchObject({
      host: 'mail.example.com',
      port: 465,
      user: 'alerts@example.com',
      pass: 'app-password',
      from: 'tocsin@example.com',
      to: ['ops@example.com', 'dev@example.com'],
    });
    expect(integrations.get('pagerduty')?.config).toMatchObject({
      routing_key: PAGER.PAGERDUTY_INTEGRATION_KEY,
      api_token: 'y_1234567890abcdefgh',
    });
    expect(integrations.get('notion')).toMatchObject({ kind: 'writer', config: { token: NOTION.NOTION_API_TOKEN } });
    expect(integrations.get('jira')?.config).toMatchObject({
      base_url: 'https://your-org.atlassian.net',
      email: 'alerts@example.com',
      project_key: 'OPS',
      issue_type: 'Incident',
    });
    expect(summaries).toEqual([
      expect.objectContaining({ name: 'daily', at: '18:00', timezone: 'Asia/Seoul', notion: 'notion' }),
    ]);
    expect(links).toEqual({ grafana: 'https://grafana.example.com', prometheus: 'https://prometheus.example.com' });
    expect(secrets).toEqual(
      expect.arrayContaining([
        hook('a'),
        hook('e'),
        BOT.SLACK_BOT_TOKEN,
        ...Object.values(DISCORD),
        'app-password',
        NOTION.NOTION_API_TOKEN,
        JIRA.JIRA_API_TOKEN,
      ]),
    );
    expect(warnings).toEqual([]);
  });

  it.each(envTable().flatMap(({ names }) => names))('is the same with %s in a file', (name) => {
    // Of two spellings the complete environment holds one, so the other takes its place first.
    const { names } = envTable().find((row) => row.names.includes(name)) ?? { names: [] };
    const { [names.find((spelling) => spelling in COMPLETE) ?? '']: value = '', ...rest } = COMPLETE;
    const path = join(folder, name);
    writeFileSync(path, `${value}\n`, { mode: 0o600 });
    expect(value).not.toBe('');
    expect([...load({ ...rest, [`${name}_FILE`]: path }).integrations]).toEqual([...load(COMPLETE).integrations]);
    expect(() => load({ ...rest, [name]: value, [`${name}_FILE`]: path })).toThrow(
      `both ${name} and ${name}_FILE are set`,
    );
  });

  it('tells Slack of everything, and the mailbox of what is critical', () => {
    expect(told({ ...SLACK, ...MAIL }, 'x')).toEqual([['default', ['slack']]]);
    expect(told({ ...SLACK, ...MAIL }, 'x', 'critical')).toEqual([['critical', ['slack', 'email']]]);
    expect(told(MAIL, 'x')).toEqual([['default', ['email']]]);
  });

  it('tells Discord of everything beside Slack, and its backup only of what is critical, in its place', () => {
    expect(told({ ...DISCORD }, 'x')).toEqual([['default', ['discord']]]);
    expect(told({ ...SLACK, ...DISCORD, ...MAIL }, 'x', 'critical')).toEqual([
      ['critical', ['slack', 'discord', 'email']],
    ]);
    const { routing } = load({ ...SLACK, ...DISCORD, ...MAIL });
    const instead = { to: 'discord-backup', after_ms: 15_000, only: ['critical'] };
    for (const { policy } of [routing.fallback, ...routing.routes])
      expect(policy.failover).toEqual({ discord: instead });
    expect(load({ DISCORD_WEBHOOK_PRIMARY: DISCORD.DISCORD_WEBHOOK_PRIMARY }).routing.fallback.policy.failover).toEqual(
      {},
    );
  });

  it('opens a Jira issue for what is critical, beside everything else; without anybody else the terminal shows all', () => {
    expect(told({ ...SLACK, ...JIRA }, 'daily_target_reached', 'critical')).toEqual([['critical', ['slack', 'jira']]]);
    expect(told({ ...SLACK, ...MAIL, ...JIRA }, 'x', 'critical')).toEqual([['critical', ['slack', 'email', 'jira']]]);
    expect(told({ ...SLACK, ...JIRA }, 'x', 'error')).toEqual([['default', ['slack']]]);
    expect(told(JIRA, 'x', 'critical')).toEqual([['critical', ['terminal', 'jira']]]);
    expect(told(JIRA, 'x')).toEqual([['default', ['terminal']]]);
    expect(load(JIRA).integrations.get('jira')?.config).toMatchObject({ issue_type: 'Task' });
  });

  it('tells PagerDuty of what is critical or an error, and of nothing else', () => {
    const env = { ...SLACK, ...MAIL, ...PAGER };
    expect(told(env, 'x', 'critical')).toEqual([['critical', ['slack', 'email', 'pagerduty']]]);
    expect(told(env, 'x', 'error')).toEqual([['error', ['slack', 'pagerduty']]]);
    expect(told(env, 'x', 'warning')).toEqual([['default', ['slack']]]);
    expect(told(PAGER, 'x', 'info')).toEqual([['default', ['terminal']]]);
    expect(told(PAGER, 'x', 'critical')).toEqual([['critical', ['terminal', 'pagerduty']]]);
  });

  it('gives each critical incident an entry in Notion, in a database of its own', () => {
    const { NOTION_API_TOKEN } = NOTION;
    const incidents = { NOTION_API_TOKEN, NOTION_INCIDENTS_DATABASE_ID: 'fedcba9876543210fedcba9876543210' };
    expect(load(incidents).integrations.get('notion-incidents')).toMatchObject({
      type: 'notion-database',
      config: { token: NOTION_API_TOKEN, database_id: 'fedcba9876543210fedcba9876543210' },
    });
    expect(load(incidents).warnings).toEqual([]);
    expect(told(incidents, 'x', 'critical')).toEqual([['critical', ['terminal', 'notion-incidents']]]);
    expect(told({ ...incidents, ...SLACK, ...MAIL }, 'x', 'critical')).toEqual([
      ['critical', ['slack', 'email', 'notion-incidents']],
    ]);
    expect(told({ ...incidents, ...SLACK }, 'x')).toEqual([['default', ['slack']]]);
    expect(told({ ...NOTION, ...SLACK }, 'x', 'critical')).toEqual([['default', ['slack']]]);
    const { NOTION_API_TOKEN: _, ...withoutToken } = incidents;
    expect(load(withoutToken).warnings).toEqual(['NOTION_API_TOKEN is missing: no incident is written to Notion']);
  });

  it('makes jobs stories, in the channel of the bot', () => {
    expect(told(BOT, 'job_started', 'info', { job: 'prices' })).toEqual([['jobs', ['slack-bot']]]);
    const jobs = load(BOT).routing.routes.find(({ name }) => name === 'jobs');
    expect(jobs).toMatchObject({ group_by: ['run'], policy: { lifecycle: 'job' } });
    expect(told({ ...BOT, ...MAIL }, 'job_failed', 'critical')).toEqual([
      ['jobs', ['slack-bot']],
      ['critical', ['slack-bot', 'email']],
    ]);
  });

  it('tells the users channel of user events, the default one where there is none', () => {
    expect(told({ ...BOT, SLACK_USERS_CHANNEL: 'C4444444444' }, 'user_registered')).toEqual([
      ['users', ['slack-users']],
    ]);
    expect(told(BOT, 'user:registered')).toEqual([['users', ['slack-bot']]]);
  });

  it.each([
    [{ SLACK_BOT_TOKEN: 'xoxb-1234567890-abcdef' }, 'SLACK_DEFAULT_CHANNEL is missing'],
    [{ SLACK_DEFAULT_CHANNEL: 'C1234567890' }, 'Slack bot token not configured'],
    [{ ...MAIL, SMTP_TO: '' }, 'SMTP_TO is missing'],
    [{ ...MAIL, SMTP_HOST: '' }, 'SMTP_HOST is missing'],
    [{ ...MAIL, SMTP_USERNAME: 'apikey' }, 'SMTP_FROM is missing'],
    [{ ...MAIL, SMTP_USER: 'other@example.com' }, 'SMTP_USER and SMTP_USERNAME differ'],
    [{ DISCORD_WEBHOOK_BACKUP: DISCORD.DISCORD_WEBHOOK_BACKUP }, 'DISCORD_WEBHOOK_PRIMARY is missing'],
    [{ NOTION_API_TOKEN: 'ntn_1234567890' }, 'NOTION_DATABASE_ID is missing'],
    [{ ...JIRA, JIRA_EMAIL: '' }, 'JIRA_EMAIL missing: no Jira issue is opened'],
    [{ JIRA_BASE_URL: JIRA.JIRA_BASE_URL }, 'JIRA_EMAIL, JIRA_API_TOKEN, JIRA_PROJECT_KEY missing'],
    [{ NOTION_DATABASE_ID: NOTION.NOTION_DATABASE_ID }, 'NOTION_API_TOKEN is missing'],
    [{ PAGERDUTY_API_TOKEN: 'y_1234567890abcdefgh' }, 'PAGERDUTY_INTEGRATION_KEY is missing'],
  ])('warns of what is half configured: %j', (env, warning) => {
    expect(load(env).warnings).toEqual([expect.stringContaining(warning)]);
  });

  it('that is wrong is refused by the name of the variable, without its value', () => {
    const wrong = () =>
      load({
        ...MAIL,
        SMTP_PORT: 'canary-port',
        SLACK_WEBHOOK_URL: 'canary-url',
        DISCORD_WEBHOOK_PRIMARY: 'https://discord.com/channels/canary',
        TOCSIN_TIMEZONE: 'canary-zone',
        ...NOTION,
        PAGERDUTY_INTEGRATION_KEY: 'canary-key',
      });
    expect(wrong).toThrow(/SMTP_PORT, integrations\.email\.port: must be a number/);
    expect(wrong).toThrow(/SLACK_WEBHOOK_URL, integrations\.slack\.url: /);
    expect(wrong).toThrow(/DISCORD_WEBHOOK_PRIMARY, integrations\.discord\.url: expected https:\/\/discord/);
    expect(wrong).toThrow(/PAGERDUTY_INTEGRATION_KEY, integrations\.pagerduty\.routing_key: /);
    expect(wrong).toThrow(/TOCSIN_TIMEZONE, summaries\[0\]\.timezone: /);
    expect(wrong).not.toThrow(/canary/);
    expect(() => load({ SLACK_WEBHOOK_URL_CRITICAL: hook('a') })).toThrow('SLACK_WEBHOOK_URL is missing');
  });
});
