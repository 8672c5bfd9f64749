/** An Apprise API server with configurations under keys: passes messages on to services that work or fail, and says which. */
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

// https://github.com/caronc/apprise-api#api-response-codes: APPRISE_UPLOAD_MAX_MEMORY_SIZE
const SIZE_MAX = 3 * 1_024 * 1_024;
const TYPES = ['info', 'success', 'warning', 'failure'];
const FORMATS = ['text', 'markdown', 'html'];
const TAG = /^[\w |,:+&-]+$/;
/** The schemas of addresses that it understands, with the name of the service. */
const SERVICES: Readonly<Record<string, string>> = {
  json: 'JSON',
  discord: 'Discord',
  mailto: 'Email',
  slack: 'Slack',
};

export interface AppriseAddress {
  url: string;
  tags: string[];
  /** The service does not take it. */
  fails?: boolean;
}

export interface AppriseMessage {
  /** The address it was passed on to. */
  to: string;
  title: string;
  body: string;
  type: string;
  format: string;
}

export interface FakeApprise {
  /** For `api_url`. */
  url: string;
  /** A key that has a configuration; that can be changed. */
  key: string;
  addresses: AppriseAddress[];
  /** What each service got, once for each time. */
  messages: AppriseMessage[];
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  waitFor: Recorder<AppriseMessage>['waitFor'];
  close(): Promise<void>;
}

export async function startFakeApprise(login?: { user: string; pass: string }): Promise<FakeApprise> {
  const key = 'ops-key_1';
  const addresses: AppriseAddress[] = [
    { url: 'slack://secret-token-a/#ops', tags: ['ops', 'chat'] },
    { url: 'mailto://user:secret-pass@example.com', tags: ['mail'] },
  ];
  const messages = createRecorder<AppriseMessage>('Apprise messages');

  /** Passes on to each and says so in its own lines. */
  const passOn = (body: Record<string, string>, to: AppriseAddress[]): Reply => {
    const details: [string, string, string][] = [];
    const say = (level: string, words: string) => details.push([level, '2026-01-15 14:32:02,000', words]);
    if (to.length > 0) say('INFO', `Notifying ${to.length} service(s) with threads.`);
    for (const { url, fails } of to) {
      const service = serviceOf(url) ?? '';
      if (fails) say('WARNING', `Failed to send ${service} notification to ${url}: Service Unavailable, error=503.`);
      else {
        const { title = '', body: text = '', type = 'info', format = 'text' } = body;
        messages.add({ to: url, title, body: text, type, format });
        say('INFO', `Sent ${service} notification to ${url}.`);
      }
    }
    if (to.length > 0 && !to.some(({ fails }) => fails)) return { status: 200, json: { error: null, details } };
    return { status: 424, json: { error: 'One or more notification could not be sent', details } };
  };

  const notify = (hit: Hit, given: string | undefined): Reply => {
    if (hit.raw.byteLength > SIZE_MAX) return refuse(431, 'JSON Payload provided is to large');
    const body = jsonOf(hit.raw.toString());
    if (!body || !/^application\/json\b/.test(hit.headers['content-type'] ?? '')) {
      return refuse(400, 'Invalid JSON Payload provided');
    }
    if (body.tag !== undefined && !TAG.test(body.tag))
      return refuse(400, 'Unsupported characters found in tag definition');
    if (!body.body || !TYPES.includes(body.type ?? 'info')) return refuse(400, 'Payload lacks minimum requirements');
    if (!FORMATS.includes(body.format ?? 'text')) return refuse(400, 'An invalid body input format was specified');
    if (given === undefined) {
      const to = (body.urls ?? '').split(/[\s,]+/).filter((url) => serviceOf(url) !== undefined);
      return to.length === 0
        ? { status: 204 }
        : passOn(
            body,
            to.map((url) => ({ url, tags: [] })),
          );
    }
    return given === key && addresses.length > 0 ? passOn(body, tagged(addresses, body.tag)) : { status: 204 };
  };

  const list = (given: string, query: URLSearchParams): Reply => {
    if (given !== key) return { status: 204 };
    // Here, other than for a notification, a space is "either" as well.
    const shown = tagged(addresses, (query.get('tag') ?? 'all').replace(/\s+/g, ','));
    const urls = shown.map(({ url, tags }) => ({
      id: 'efa313ab',
      enabled: true,
      url: query.get('privacy') === '1' ? `${url.split('//')[0]}//****` : url,
      tags,
    }));
    return { status: 200, json: { tags: [...new Set(shown.flatMap(({ tags }) => tags))], urls } };
  };

  const fake = await startHttpFake('Apprise', (hit) => {
    const wanted = login && `Basic ${Buffer.from(`${login.user}:${login.pass}`).toString('base64')}`;
    if (wanted !== undefined && hit.headers.authorization !== wanted) return { status: 401, text: '<html>401</html>' };
    // Without this it answers lines of text or HTML.
    if (hit.headers.accept !== 'application/json') return { status: 200, text: 'Notifying' };
    const [, what, given] = /^\/(notify|json\/urls|status)(?:\/([\w-]{1,128}))?\/?$/.exec(hit.path) ?? [];
    if (what === 'notify' && hit.method === 'POST') return notify(hit, given);
    if (what === 'json/urls' && hit.method === 'GET' && given !== undefined) return list(given, hit.query);
    if (what === 'status' && hit.method === 'GET') {
      return { status: 200, json: { config_lock: false, status: { details: ['OK'] } } };
    }
    return { status: 404, text: '<html>Not Found</html>' };
  });

  return {
    url: fake.url,
    key,
    addresses,
    messages: messages.items,
    requests: fake.requests,
    script: fake.script,
    waitFor: messages.waitFor,
    close: fake.close,
  };
}

const refuse = (status: number, error: string): Reply => ({ status, json: { error } });

const serviceOf = (url: string): string | undefined => SERVICES[url.split('://')[0] ?? ''];

/** Without a tag only those that have none; a comma is "either", a space "both". */
function tagged(addresses: AppriseAddress[], tag: string | undefined): AppriseAddress[] {
  if (tag === undefined) return addresses.filter(({ tags }) => tags.length === 0);
  if (tag === 'all') return addresses;
  const groups = tag.split(/[|,]/).map((group) => group.trim().split(/[\s&+]+/));
  return addresses.filter(({ tags }) => groups.some((group) => group.every((one) => tags.includes(one))));
}

function jsonOf(text: string): Record<string, string> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, string>) : undefined;
  } catch {
    return undefined;
  }
}
