/** Receivers of Alertmanager's, kind by kind: https://prometheus.io/docs/alerting/latest/configuration/#receiver-integration-settings */
import { z } from 'zod';
import type { Fields } from './fields.ts';
import { Filled } from './variables.ts';

/** What a kind may use to read one of its entries. */
export interface Reading {
  fields: Fields;
  global: Fields;
  /** The entry's `http_config`, else the global one. */
  http: Fields;
  sendsResolved: boolean;
  /** A variable for what is secret: from `name` or `name`_file of the entry, else of `global_name` in the global section. */
  secret(field: string, name: string, globalName?: string): Filled | undefined;
  /** A variable for a value that was put together, or that somebody has to give. */
  variable(field: string, given: { value?: string | undefined; file?: string | undefined; about: string }): Filled;
  /** The value as it is; a variable where it is a template, which Tocsin does not fill. */
  plain(field: string, value: string): string | Filled;
  note(text: string): void;
  /** This address or host is called: where it may be a private one, egress has to allow it. */
  reaches(place: string): void;
}

type Entry = { type: string } & Record<string, unknown>;

export interface Kind {
  /** Alertmanager's default for `send_resolved`. */
  resolved: boolean;
  /** The fields of an integration of ours; a text where there can be none, which says why. */
  read(reading: Reading): Entry | string;
}

/** Every kind that has a channel here, by its section. */
export const KINDS: Readonly<Record<string, Kind>> = {
  webhook_configs: { resolved: true, read: webhook },
  slack_configs: { resolved: false, read: slack },
  email_configs: { resolved: false, read: email },
  pagerduty_configs: { resolved: true, read: pagerduty },
  discord_configs: { resolved: true, read: discord },
  msteams_configs: { resolved: true, read: (reading) => teams(reading, true) },
  msteamsv2_configs: { resolved: true, read: (reading) => teams(reading, false) },
  telegram_configs: { resolved: true, read: telegram },
  jira_configs: { resolved: true, read: jira },
};

/** Kinds without a channel that Apprise knows: https://github.com/caronc/apprise/wiki */
export const BY_APPRISE = new Set([
  'opsgenie_configs',
  'pushover_configs',
  'sns_configs',
  'victorops_configs',
  'webex_configs',
  'rocketchat_configs',
  'mattermost_configs',
]);

const NO_ADDRESS = 'it has no address';

function webhook({ fields, http, sendsResolved, secret, variable, note }: Reading): Entry | string {
  const url = secret('url', 'url');
  if (url === undefined) return NO_ADDRESS;
  if (/^https?:\/\/[^/?#]*@/i.test(fields.text('url') ?? ''))
    note('its address holds a user and a password, which Tocsin refuses to call: give them as a header');
  const max = fields.text('max_alerts') ?? '0';
  if (max !== '0')
    note(`max_alerts ${max} is not brought over: Tocsin has a limit of its own and says how many more there are`);
  const entry: Entry = { type: 'webhook', url, format: 'alertmanager' };
  if (!sendsResolved) entry.send_resolved = false;
  const timeout = fields.text('timeout');
  if (timeout !== undefined && timeout !== '0' && timeout !== '0s') entry.timeout = timeout;
  const headers = headersOf(http, variable);
  if (Object.keys(headers).length > 0) entry.headers = headers;
  return entry;
}

/** https://prometheus.io/docs/alerting/latest/configuration/#http_config */
function headersOf(http: Fields, variable: Reading['variable']): Record<string, Filled> {
  const headers: Record<string, Filled> = {};
  for (const name of namesIn(http, 'http_headers')) {
    const given = http.within('http_headers').within(name);
    const [value] = [...given.list('values'), ...given.list('secrets')].map(String);
    const [file] = given.list('files').map(String);
    headers[name] = variable(`header ${name}`, { value, file, about: `http_config.http_headers.${name}` });
  }
  const token = tokenOf(http, variable);
  if (token) headers.authorization = token;
  if (http.has('basic_auth')) {
    const basic = http.within('basic_auth');
    const [user, password] = [basic.text('username'), basic.text('password')];
    const file = basic.text('password_file');
    const whole = user !== undefined && password !== undefined && password !== '<secret>';
    headers.authorization = variable('authorization', {
      value: whole ? `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` : undefined,
      about: whole
        ? 'http_config.basic_auth, as the header it makes'
        : `Basic and a space and the base64 of ${user ?? 'the user'}:password${file === undefined ? '' : `, the password from ${file}`}`,
    });
  }
  return headers;
}

const namesIn = (fields: Fields, name: string): string[] => Object.keys(Object(fields.list(name)[0]));

/** `bearer_token` in either way it may be written, with its scheme; undefined where there is none. */
function tokenOf(http: Fields, variable: Reading['variable']): Filled | undefined {
  const { scheme, ...given } = credentialsOf(http);
  if (given.value === undefined && given.file === undefined) return undefined;
  return new Filled(`${scheme} ${variable('token', { ...given, about: 'http_config.authorization' }).text}`);
}

function credentialsOf(http: Fields): { scheme: string; value: string | undefined; file: string | undefined } {
  const authorization = http.within('authorization');
  const [value, file] = [authorization.text('credentials'), authorization.text('credentials_file')];
  return {
    scheme: authorization.text('type') ?? 'Bearer',
    value: value ?? http.text('bearer_token'),
    file: file ?? http.text('bearer_token_file'),
  };
}

/** Where the Web API is unless a proxy stands in between; the channel appends the method. */
const SLACK_API = 'https://slack.com/api/';

function slack(reading: Reading): Entry | string {
  const { fields, global, http, secret, variable, plain, note, reaches } = reading;
  const channel = fields.text('channel');
  const hasAddress = ['api_url', 'api_url_file'].some((name) => fields.has(name));
  const bearer = credentialsOf(http);
  const hasBearer = bearer.value !== undefined || bearer.file !== undefined;
  const token = hasBearer
    ? variable('token', { value: bearer.value, file: bearer.file, about: 'http_config.authorization' })
    : hasAddress
      ? undefined
      : secret('token', 'app_token', 'slack_app_token');
  if (token === undefined) {
    const url = secret('url', 'api_url', 'slack_api_url');
    if (url === undefined) return NO_ADDRESS;
    if (channel !== undefined)
      note(
        `an incoming webhook posts to the one channel it was made for, not to ${channel}: make one for that channel, or use type slack with a bot token`,
      );
    return { type: 'slack-webhook', url };
  }
  if (channel === undefined) return 'it has a token but no channel';
  const entry: Entry = { type: 'slack', token, channel: plain('channel', channel) };
  const address = hasBearer
    ? (fields.text('api_url') ?? global.text('slack_api_url'))
    : (fields.text('app_url') ?? global.text('slack_app_url'));
  const api = address?.replace(/chat\.postMessage\/?$/, '');
  if (api !== undefined && api !== SLACK_API) {
    entry.api_url = api;
    reaches(api);
  }
  return entry;
}

/** https://prometheus.io/docs/alerting/latest/configuration/#email_config */
function email({ fields, global, variable, secret, note, reaches }: Reading): Entry | string {
  const own = (name: string): string | undefined => fields.text(name) ?? global.text(`smtp_${name}`);
  const smarthost = own('smarthost');
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(smarthost ?? '') ?? [];
  if (host === '')
    return smarthost === undefined ? 'it has no smarthost' : `its smarthost ${smarthost} is no host and port`;
  reaches(host);
  const entry: Entry = { type: 'email', host, port: Number(port) };
  const requiresTls = fields.flag('require_tls') ?? global.flag('smtp_require_tls') ?? true;
  if (!requiresTls && port !== '465') entry.tls = 'none';
  const user = own('auth_username');
  const password =
    secret('password', 'auth_password', 'smtp_auth_password') ?? secret('password', 'auth_secret', 'smtp_auth_secret');
  if (user !== undefined && password !== undefined) Object.assign(entry, { user, pass: password });
  else if (user !== undefined) note(`auth_username ${user} is not brought over: it has no password`);
  const [from] = addressesIn(own('from') ?? '');
  const address = (field: string, text: string, what: string): string | Filled =>
    isAddress(text) ? text : variable(field, { about: `an e-mail address, ${what}: it was ${text || 'not there'}` });
  entry.from = address('from', from?.address ?? '', 'of the sender');
  if (from?.name) entry.from_name = from.name;
  entry.to = addressesIn(fields.text('to') ?? '').map((one) => address('to', one.address, 'of who is told'));
  return entry;
}

const isAddress = (text: string): boolean => z.email().max(254).safeParse(text).success;

/** `Ops <ops@example.com>, b@example.com`: commas within quotes divide nothing (RFC 5322 section 3.4). */
function addressesIn(text: string): { address: string; name?: string }[] {
  const found = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
  return found
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const [, name, address] = /^(.*?)\s*<([^<>]*)>$/.exec(one) ?? [];
      if (address === undefined) return { address: one };
      const plain = name?.replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1');
      return plain ? { address, name: plain } : { address };
    });
}

const EVENTS_V2 = /^https:\/\/events(\.eu)?\.pagerduty\.com(\/|$)/;

function pagerduty({ fields, global, secret, note, reaches }: Reading): Entry | string {
  const routing = secret('routing key', 'routing_key');
  const key = routing ?? secret('routing key', 'service_key');
  if (key === undefined) return 'it has no key';
  if (routing === undefined)
    note(
      'service_key is of the Prometheus integration (Events API v1): Tocsin needs the key of an Events API v2 integration of the same service',
    );
  const entry: Entry = { type: 'pagerduty', routing_key: key };
  const url = fields.text('url') ?? global.text('pagerduty_url');
  const known = EVENTS_V2.exec(url ?? '');
  if (known?.[1]) entry.region = 'eu';
  else if (url !== undefined && !known) {
    entry.api_url = url;
    reaches(url);
  }
  return entry;
}

function discord({ fields, secret }: Reading): Entry | string {
  const url = secret('url', 'webhook_url');
  for (const name of ['username', 'avatar_url']) fields.text(name); // The webhook’s own are shown.
  return url === undefined ? NO_ADDRESS : { type: 'discord', url };
}

function teams({ secret, note }: Reading, isConnector: boolean): Entry | string {
  const url = secret('url', 'webhook_url');
  if (url === undefined) return NO_ADDRESS;
  if (isConnector)
    note('Microsoft has retired the connectors of msteams_configs: make a workflow in Teams and use its address');
  return { type: 'teams', url };
}

/** What the channel takes for a chat; anything else has to be given. */
const CHAT = /^(-?\d{1,19}|@[A-Za-z]\w{3,31})$/;

function telegram({ fields, global, secret, variable, reaches }: Reading): Entry | string {
  const token = secret('token', 'bot_token', 'telegram_bot_token');
  if (token === undefined) return 'it has no token';
  const [chat, file] = [fields.text('chat_id'), fields.text('chat_id_file')];
  const entry: Entry = {
    type: 'telegram',
    token,
    chat_id: chat !== undefined && CHAT.test(chat) ? chat : variable('chat', { file, about: 'the id of the chat' }),
  };
  const topic = Number(fields.text('message_thread_id') ?? 0);
  if (topic > 1) entry.message_thread_id = topic;
  const api = fields.text('api_url') ?? global.text('telegram_api_url');
  if (api !== undefined && !/^https:\/\/api\.telegram\.org\/?$/.test(api)) {
    entry.api_url = api;
    reaches(api);
  }
  return entry;
}

function jira({ fields, global, http, sendsResolved, variable, plain, reaches }: Reading): Entry | string {
  const api = fields.text('api_url') ?? global.text('jira_api_url');
  if (api === undefined) return NO_ADDRESS;
  const basic = http.within('basic_auth');
  const user = basic.text('username');
  if (user === undefined || !isAddress(user))
    return 'Tocsin needs an account’s e-mail address and API token, as basic_auth has them at Jira Cloud';
  const base_url = api.replace(/\/rest\/api\/\d+\/?$/, '');
  reaches(base_url);
  const entry: Entry = {
    type: 'jira',
    base_url,
    email: user,
    api_token: variable('token', {
      value: basic.text('password'),
      file: basic.text('password_file'),
      about: 'http_config.basic_auth',
    }),
    project_key: plain('project', fields.text('project') ?? ''),
    issue_type: plain('issue type', fields.text('issue_type') ?? 'Task'),
  };
  const labels = fields
    .list('labels')
    .map(String)
    .filter((label) => !label.includes('{{'));
  if (labels.length > 0) entry.labels = labels;
  if (!sendsResolved) entry.send_resolved = false;
  return entry;
}
