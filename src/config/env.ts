/** Configuration without a file: the environment variables that users of the four notifiers before Tocsin already have. */
import { pathText } from './problems.ts';
import { type Environment, readVariable } from './secrets.ts';

export interface EnvRow {
  /** Spellings of one variable, each also as …_FILE; the first that is set counts. */
  names: string[];
  /** The channel or writer; empty for what belongs to none. */
  channel: string;
  /** The integrations it makes; empty for what belongs to none. */
  integrations: string[];
  /** The field of their configuration. */
  field: string;
  words: string;
}

const row = (names: string, channel: string, integrations: string, field: string, words: string): EnvRow => ({
  names: names.split('|'),
  channel,
  integrations: integrations === '' ? [] : integrations.split(' '),
  field,
  words,
});

const ROWS: readonly EnvRow[] = [
  row('SLACK_WEBHOOK_URL', 'slack-webhook', 'slack', 'url', 'Incoming webhook for every severity without its own'),
  row('SLACK_WEBHOOK_URL_INFO', 'slack-webhook', 'slack', 'urls.info', 'Incoming webhook for info'),
  row('SLACK_WEBHOOK_URL_WARNING', 'slack-webhook', 'slack', 'urls.warning', 'Incoming webhook for warning'),
  row('SLACK_WEBHOOK_URL_ERROR', 'slack-webhook', 'slack', 'urls.error', 'Incoming webhook for error'),
  row('SLACK_WEBHOOK_URL_CRITICAL', 'slack-webhook', 'slack', 'urls.critical', 'Incoming webhook for critical'),
  row('SLACK_BOT_TOKEN', 'slack', 'slack-bot slack-users', 'token', 'Bot token, xoxb-…'),
  row('SLACK_DEFAULT_CHANNEL', 'slack', 'slack-bot', 'channel', 'Channel of alerts and jobs'),
  row(
    'SLACK_USERS_CHANNEL',
    'slack',
    'slack-users',
    'channel',
    'Channel of user events; SLACK_DEFAULT_CHANNEL without it',
  ),
  row('DISCORD_WEBHOOK_PRIMARY', 'discord', 'discord', 'url', 'Webhook, told of everything'),
  row(
    'DISCORD_WEBHOOK_BACKUP',
    'discord',
    'discord-backup',
    'url',
    'Webhook that is told of what is critical where the primary one does not deliver',
  ),
  row(
    'SLACK_SIGNING_SECRET',
    'slack',
    'slack-bot slack-users',
    'signing_secret',
    'Signing secret of the Slack app: with it, messages have buttons',
  ),
  row('SMTP_HOST', 'email', 'email', 'host', 'Mail server'),
  row('SMTP_PORT', 'email', 'email', 'port', 'Its port: 465 is implicit TLS, any other requires STARTTLS'),
  row('SMTP_USER|SMTP_USERNAME', 'email', 'email', 'user', 'Login'),
  row('SMTP_PASS|SMTP_PASSWORD', 'email', 'email', 'pass', 'Password'),
  row('SMTP_FROM', 'email', 'email', 'from', 'Sender; the login without it, where that is an address'),
  row('SMTP_TO', 'email', 'email', 'to', 'Recipients, separated by commas'),
  row(
    'NOTION_API_TOKEN',
    'notion',
    'notion notion-incidents',
    'token',
    'Integration token, for the daily summary and the entries of incidents',
  ),
  row('NOTION_DATABASE_ID', 'notion', 'notion', 'database_id', 'Database of the daily summary'),
  row(
    'PAGERDUTY_INTEGRATION_KEY',
    'pagerduty',
    'pagerduty',
    'routing_key',
    'Events API v2 key; told of critical and error',
  ),
  row('PAGERDUTY_API_TOKEN', 'pagerduty', 'pagerduty', 'api_token', 'REST API token, read-only, for the check alone'),
  row(
    'NOTION_INCIDENTS_DATABASE_ID',
    'notion-database',
    'notion-incidents',
    'database_id',
    'Database in which each critical incident gets an entry',
  ),
  row('TOCSIN_TIMEZONE', '', '', 'timezone', 'Time zone of the daily summary at 18:00; UTC without it'),
  row('GRAFANA_URL', '', '', 'links.grafana', 'Link to Grafana in messages'),
  row('PROM_URL', '', '', 'links.prometheus', 'Link to Prometheus in messages'),
  row('JIRA_BASE_URL', 'jira', 'jira', 'base_url', 'Address of Jira, where critical incidents get an issue'),
  row('JIRA_EMAIL', 'jira', 'jira', 'email', 'Login'),
  row('JIRA_API_TOKEN', 'jira', 'jira', 'api_token', 'API token'),
  row('JIRA_PROJECT_KEY', 'jira', 'jira', 'project_key', 'Project of new issues, such as OPS'),
  row('JIRA_ISSUE_TYPE', 'jira', 'jira', 'issue_type', 'Type of new issues: Incident, Task, Bug; Task without it'),
  row('GRPC_PORT', '', '', 'grpc.port', 'Port of the gRPC door, 0 for any that is free; without it there is none'),
  row('GRPC_HOST', '', '', 'grpc.host', 'Where it listens; 127.0.0.1 without it'),
  row('GRPC_TLS_CERT', '', '', 'grpc.cert', 'Its certificate chain, PEM; without it nothing is encrypted'),
  row('GRPC_TLS_KEY', '', '', 'grpc.key', 'The key of that certificate, PEM'),
];

/** Every variable of the table, for the README. */
export const envTable = (): readonly EnvRow[] => ROWS;

/** What the environment says, in the shape of tocsin.yaml, and where each part of it comes from. */
export interface FromEnvironment {
  written: Record<string, unknown>;
  warnings: string[];
  problems: string[];
  /** The variable behind a path of `written`, by pathText. */
  variables: Map<string, string>;
}

type Fields = Record<string, unknown>;

/** Told again only after a week: nobody resolves a registration. */
const EVENTS_OF_USERS = {
  group_by: 'all',
  group_wait: '0s',
  group_interval: '1m',
  repeat_interval: '7d',
  quiet: '10m',
  tell_resolved: false,
};

/** They hear some of it beside others; where there is nobody else, the terminal hears everything. */
const ASIDE: ReadonlySet<string> = new Set(['notion', 'notion-incidents', 'jira', 'pagerduty']);

/** Integrations and routes out of the environment; with nothing set, notifications show in the terminal. */
export function configFromEnv(env: Environment): FromEnvironment {
  const warnings: string[] = [];
  const problems: string[] = [];
  const variables = new Map<string, string>();
  const values = new Map<EnvRow, string>();
  for (const entry of ROWS) {
    const value = valueOfRow(env, entry, warnings, problems);
    if (value === undefined) continue;
    values.set(entry, value.value);
    for (const integration of entry.integrations)
      variables.set(pathText(['integrations', integration, entry.field]), value.name);
    if (entry.integrations.length === 0) variables.set(entry.field, value.name);
  }
  const fieldsOf = (integration: string): Fields => {
    const fields: Fields = {};
    for (const [{ integrations, field }, value] of values) {
      const [name = '', inner] = field.split('.');
      if (!integrations.includes(integration)) continue;
      fields[name] = inner === undefined ? value : { ...(fields[name] as Fields | undefined), [inner]: value };
    }
    return fields;
  };
  const single = (field: string): string | undefined => [...values].find(([entry]) => entry.field === field)?.[1];

  const integrations: Record<string, Fields> = {};
  const slack = fieldsOf('slack');
  if (slack.url !== undefined) integrations.slack = { type: 'slack-webhook', ...slack };
  else if (slack.urls !== undefined)
    problems.push('SLACK_WEBHOOK_URL is missing: it takes the severities that have no address of their own');

  const bot = fieldsOf('slack-bot');
  const users = fieldsOf('slack-users');
  if (bot.token !== undefined && bot.channel !== undefined) integrations['slack-bot'] = { type: 'slack', ...bot };
  else if (bot.token !== undefined)
    warnings.push('SLACK_DEFAULT_CHANNEL is missing: the Slack bot has no channel for alerts and jobs');
  else if (bot.channel !== undefined || users.channel !== undefined)
    warnings.push('Slack bot token not configured (SLACK_BOT_TOKEN)');
  if (users.token !== undefined && users.channel !== undefined)
    integrations['slack-users'] = { type: 'slack', ...users };

  const discord = fieldsOf('discord');
  const backup = fieldsOf('discord-backup');
  if (discord.url !== undefined) integrations.discord = { type: 'discord', ...discord };
  if (discord.url !== undefined && backup.url !== undefined)
    integrations['discord-backup'] = { type: 'discord', ...backup };
  else if (backup.url !== undefined)
    warnings.push('DISCORD_WEBHOOK_PRIMARY is missing: DISCORD_WEBHOOK_BACKUP has nothing to stand in for');

  const email = emailOf(fieldsOf('email'), warnings);
  if (email) integrations.email = email;

  const notion = fieldsOf('notion');
  const incidents = fieldsOf('notion-incidents');
  if (incidents.token !== undefined && incidents.database_id !== undefined)
    integrations['notion-incidents'] = { type: 'notion-database', ...incidents };
  else if (incidents.database_id !== undefined)
    warnings.push('NOTION_API_TOKEN is missing: no incident is written to Notion');
  if (notion.token !== undefined && notion.database_id !== undefined)
    integrations.notion = { type: 'notion', ...notion };
  else if (notion.token !== undefined && !integrations['notion-incidents'])
    warnings.push('NOTION_DATABASE_ID is missing: no daily summary is written');
  else if (notion.database_id !== undefined) warnings.push('NOTION_API_TOKEN is missing: no daily summary is written');

  const jira = jiraOf(fieldsOf('jira'), warnings);
  if (jira) integrations.jira = jira;

  const pager = fieldsOf('pagerduty');
  if (pager.routing_key !== undefined) integrations.pagerduty = { type: 'pagerduty', ...pager };
  else if (pager.api_token !== undefined)
    warnings.push('PAGERDUTY_INTEGRATION_KEY is missing: the API token alone tells PagerDuty nothing');

  if (!Object.keys(integrations).some((name) => !ASIDE.has(name))) integrations.terminal = { type: 'stdout' };

  const links = { grafana: single('links.grafana'), prometheus: single('links.prometheus') };
  const timezone = single('timezone') ?? 'UTC';
  variables.set('summaries[0].timezone', variables.get('timezone') ?? '');
  const written = {
    integrations,
    ...routesOf(new Set(Object.keys(integrations))),
    summaries: integrations.notion ? [{ name: 'daily', at: '18:00', timezone, notion: 'notion' }] : [],
    links: Object.fromEntries(Object.entries(links).filter(([, url]) => url !== undefined)),
  };
  return { written, warnings, problems, variables };
}

/**
 * Alerts to Slack and Discord, critical ones by mail, to Jira and into Notion as well, critical ones and errors to PagerDuty (P0 and P1),
 * jobs as stories, user events to their own channel; Discord's backup only for what is critical (seeds 000, 002, 003, 004).
 */
function routesOf(names: Set<string>) {
  const chats = ['slack', 'slack-bot', 'discord'].filter((name) => names.has(name));
  const usersTo = names.has('slack-users') ? 'slack-users' : 'slack-bot';
  const routes: Fields[] = [];
  // `continue`: a critical job still reaches the mailbox, besides its story.
  if (names.has(usersTo)) {
    routes.push({
      name: 'users',
      type: ['user_*', 'user.*', 'user:*'],
      notify: [usersTo],
      continue: true,
      ...EVENTS_OF_USERS,
    });
  }
  if (names.has('slack-bot')) {
    routes.push({
      name: 'jobs',
      type: ['job_*', 'job.*', 'job:*'],
      lifecycle: 'job',
      // Runs beside each other, or after one that was killed before it could say so, are stories of their own.
      group_by: ['run'],
      notify: ['slack-bot'],
      continue: true,
    });
  }
  const everything =
    chats.length > 0 ? chats : ['email', 'slack-users', 'terminal'].filter((name) => names.has(name)).slice(0, 1);
  const besides = ['email', 'jira', 'pagerduty', 'notion-incidents'].filter(
    (name) => names.has(name) && !everything.includes(name),
  );
  if (besides.length > 0) {
    routes.push({ name: 'critical', match: ['severity="critical"'], notify: [...everything, ...besides] });
  }
  if (names.has('pagerduty'))
    routes.push({ name: 'error', match: ['severity="error"'], notify: [...everything, 'pagerduty'] });
  const failover = { discord: 'discord-backup', only: ['critical'] };
  return { routes, default: { notify: everything, ...(names.has('discord-backup') ? { failover } : {}) } };
}

function emailOf(fields: Fields, warnings: string[]): Fields | undefined {
  const { host, to, from = fields.user, ...rest } = fields;
  if (host === undefined) {
    if (Object.keys(fields).length > 0) warnings.push('SMTP_HOST is missing: no mail is sent');
    return undefined;
  }
  if (to === undefined) {
    warnings.push('SMTP_TO is missing: mail has no recipient, so none is sent');
    return undefined;
  }
  if (typeof from !== 'string' || !from.includes('@')) {
    warnings.push('SMTP_FROM is missing: mail has no sender, so none is sent');
    return undefined;
  }
  const recipients = String(to)
    .split(',')
    .map((address) => address.trim());
  return { type: 'email', host, from, to: recipients.filter((address) => address !== ''), ...rest };
}

function jiraOf(fields: Fields, warnings: string[]): Fields | undefined {
  const needed = {
    base_url: 'JIRA_BASE_URL',
    email: 'JIRA_EMAIL',
    api_token: 'JIRA_API_TOKEN',
    project_key: 'JIRA_PROJECT_KEY',
  };
  const missing = Object.entries(needed).flatMap(([field, name]) => (fields[field] === undefined ? [name] : []));
  if (missing.length === 0) return { type: 'jira', ...fields };
  if (Object.keys(fields).length > 0) warnings.push(`${missing.join(', ')} missing: no Jira issue is opened`);
  return undefined;
}

function valueOfRow(
  env: Environment,
  { names }: EnvRow,
  warnings: string[],
  problems: string[],
): { name: string; value: string } | undefined {
  let found: { name: string; value: string } | undefined;
  for (const name of names) {
    const variable = readVariable(env, name);
    if (variable === undefined) continue;
    if ('problem' in variable) problems.push(variable.problem);
    else if (found === undefined) found = { name, value: variable.value };
    else if (found.value !== variable.value) warnings.push(`${found.name} and ${name} differ: ${found.name} is used`);
  }
  return found;
}
