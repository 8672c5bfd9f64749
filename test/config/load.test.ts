import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Registry } from '../../src/config/integrations.ts';
import { type Config, fromText, loadConfig } from '../../src/config/load.ts';
import type { Event } from '../../src/core/event.ts';
import { decide } from '../../src/core/route.ts';
import { sources } from '../../src/sources/index.ts';
import { problemsIn } from '../support/problems.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A channel and a writer of our own: what these tests say holds for any. */
const secret = z.string().min(1).meta({ writeOnly: true });
const registry: Registry = {
  channels: [
    {
      id: 'post',
      config: z.strictObject({
        url: secret,
        urls: z.strictObject({ critical: secret.optional() }).optional(),
        port: z.int().default(1),
        on: z.boolean().default(true),
      }),
      patience: { timeout_ms: 1_000, max_attempts: 2, backoff_ms: 10 },
    },
  ],
  writers: [{ id: 'diary', config: z.strictObject({ token: secret }) }],
  sources,
};
const load = (text: string, env: Record<string, string> = {}): Config => fromText(text, 'tocsin.yaml', env, registry);
const problems = (text: string, env: Record<string, string> = {}): string[] => problemsIn(() => load(text, env));
const post =
  "integrations:\n  ops: { type: post, url: 'https://x.example/secret-path' }\n  mail: { type: post, url: 'https://y.example/' }\n";

describe('tocsin.yaml', () => {
  it('as the design writes it is read whole', async () => {
    const file = join(folder, 'tocsin.yaml');
    writeFileSync(file, DESIGN);
    const url = `https://hooks.slack.com/services/T00000000/B00000000/${'x'.repeat(24)}`;
    const config = await loadConfig({
      path: file,
      env: { SLACK_WEBHOOK_URL: url, SLACK_WEBHOOK_URL_CRITICAL: url, HOOK_SECRET: `whsec_${'a'.repeat(32)}` },
    });
    expect([...config.integrations.keys()]).toEqual(['ops-slack', 'ops-mail', 'hook']);
    expect(config.integrations.get('ops-mail')).toMatchObject({
      type: 'email',
      kind: 'channel',
      enabled: true,
    });
    expect(config.routing.routes.map(({ name }) => name)).toEqual(['0', '1', '2']);
    expect(config.routing.routes[0]?.policy).toEqual({
      route: '0',
      notify: ['ops-slack'],
      group_wait_ms: 0,
      group_count: 3,
      group_now: ['critical'],
      group_interval_ms: 300_000,
      repeat_interval_ms: 14_400_000,
      failover: { 'ops-slack': { to: 'ops-mail', after_ms: 15_000, only: ['critical'] } },
      levels: [
        { notify: ['ops-slack'], wait_ms: 300_000 },
        { notify: ['ops-mail'], wait_ms: 600_000 },
      ],
      repeat: 3,
      patience: { 'ops-mail': { timeout_ms: 20_000, backoff_ms: 15_000 } },
      quiet_ms: 86_400_000,
      tell_ack: true,
      tell_resolved: true,
    });
    expect(config.routing.routes[2]).toMatchObject({ group_by: [], policy: { lifecycle: 'job' } });
    expect(config.egress).toEqual({ allow: ['127.0.0.0/8'] });
    expect(config.secrets).toContain(url);
    expect(config.secrets).toContain(`whsec_${'a'.repeat(32)}`);
    expect(config.warnings).toEqual([]);
  });

  it('decides with its regular expressions over the whole value', () => {
    const { routing } = load(
      `${post}routes:\n  - { match: ['type=~"job_.*|gpu"'], notify: ops }\ndefault: { notify: mail }`,
    );
    const routeOf = (type: string) => decide({ ...EVENT, type }, routing, [], new Date(0)).routes[0]?.route;
    expect(['job_failed', 'gpu', 'gpu_oom', 'a_job_b'].map(routeOf)).toEqual(['0', '0', 'default', 'default']);
  });

  it('lets children inherit what they do not say themselves', () => {
    const { routing } = load(`${post}
default: { notify: [ops], group_wait: 1m, quiet: 1h }
time_intervals: { office: { weekdays: mon-fri } }
routes:
  - name: trading
    active: office
    group_count: 9
    routes:
      - { match: ['severity="critical"'], notify: mail, active: [] }
      - { group_by: all }
`);
    const [trading] = routing.routes;
    expect(trading?.children.map(({ name }) => name)).toEqual(['0.0', '0.1']);
    expect(trading?.children[0]).toMatchObject({
      active: [],
      policy: { notify: ['mail'], group_wait_ms: 60_000, group_count: 9, quiet_ms: 3_600_000 },
    });
    expect(trading?.children[1]).toMatchObject({
      active: [{ name: 'office' }],
      group_by: 'all',
      policy: { notify: ['ops'] },
    });
  });

  it('gives an integration the patience of its channel, unless it has its own', () => {
    const { integrations } = load(
      'integrations:\n  a: { type: post, url: u }\n  b: { type: post, url: u, timeout: 2s, max_attempts: 3, backoff: 1s, rate: 30/m, threshold: error, on_ambiguous: drop, enabled: false }\n  c: { type: diary, token: t }',
    );
    expect(integrations.get('a')?.patience).toEqual({ timeout_ms: 1_000, max_attempts: 2, backoff_ms: 10 });
    expect(integrations.get('b')).toMatchObject({
      patience: { timeout_ms: 2_000, max_attempts: 3, backoff_ms: 1_000 },
      rate: { count: 30, per_ms: 60_000 },
      threshold: 'error',
      on_ambiguous: 'drop',
      enabled: false,
    });
    expect(integrations.get('c')).toMatchObject({
      kind: 'writer',
      patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
    });
  });

  it('gives summaries and sources their defaults', () => {
    const config = load(
      `${post}  pages: { type: diary, token: t }\nsummaries: [{ name: daily, at: '18:00', notion: pages }]\nsources: { am: { type: alertmanager } }\npublic_url: https://tocsin.example/`,
    );
    expect(config.summaries).toEqual([
      {
        name: 'daily',
        at: '18:00',
        timezone: 'UTC',
        notion: 'pages',
        notify: [],
        facts: ['pnl', 'halted', 'daily_target'],
        catch_up_ms: 172_800_000,
      },
    ]);
    expect(config.sources.get('am')).toEqual({ name: 'am', type: 'alertmanager', config: { source: 'alertmanager' } });
    expect(config.publicUrl).toBe('https://tocsin.example');
  });
});

describe('variables', () => {
  const file = (name: string, content: string, mode = 0o600) => {
    const path = join(folder, name);
    writeFileSync(path, content, { mode });
    return path;
  };
  const one = `integrations: { ops: { type: post, url: '\${HOOK}', port: '\${PORT_OF_IT}', on: '\${ON}' } }`;

  it('are filled in, also where a number or a switch is wanted', () => {
    const { integrations } = load(one, { HOOK: 'https://h.example/abc', PORT_OF_IT: '587', ON: 'false' });
    expect(integrations.get('ops')?.config).toEqual({ url: 'https://h.example/abc', port: 587, on: false });
  });

  it('come from a mounted file without its last newline, and are secrets then', () => {
    const { integrations, secrets } = load(`integrations: { ops: { type: post, url: 'https://h.example/\${PART}' } }`, {
      PART_FILE: file('part', 'abcdef\n\n'),
    });
    expect(integrations.get('ops')?.config.url).toBe('https://h.example/abcdef\n');
    expect(secrets).toEqual(['https://h.example/abcdef\n', 'abcdef\n']);
  });

  it('stay as they are where the dollar is doubled', () => {
    expect(load(`integrations: { ops: { type: post, url: 'a$\${HOOK}' } }`).integrations.get('ops')?.config.url).toBe(
      `a\${HOOK}`,
    );
  });

  it('that are missing or set twice are named with their line, and nothing else is said of them', () => {
    const text = `integrations:\n  ops:\n    type: post\n    url: '\${HOOK}'\n  two:\n    type: post\n    url: '\${TWICE}'\n`;
    expect(problems(text, { TWICE: 'a', TWICE_FILE: 'b' })).toEqual([
      'line 4, integrations.ops.url: the variable HOOK is not set, and HOOK_FILE neither',
      'line 7, integrations.two.url: both TWICE and TWICE_FILE are set: unset one',
    ]);
  });

  it('in files that cannot be read, or that others may write, are refused', () => {
    const text = `integrations: { ops: { type: post, url: '\${HOOK}' } }`;
    expect(problems(text, { HOOK_FILE: join(folder, 'absent') })[0]).toContain('HOOK_FILE cannot be read (ENOENT)');
    const open = file('open', 'secret');
    chmodSync(open, 0o622);
    expect(problems(text, { HOOK_FILE: open })[0]).toContain('HOOK_FILE may be written by others than its owner');
    expect(problems(text, { HOOK_FILE: file('empty', '\n') })[0]).toContain('HOOK_FILE is empty');
  });

  it('and secrets never show in a problem', () => {
    const text = `${post}  bad: { type: post, url: 7777777, urls: { critical: 8888888 }, port: canary-plain }\n  worse: { type: post, url: x, port: '\${MY_PORT}', tokn: canary-token }\n  odd: { type: pots, url: canary-odd }\n`;
    const said = problems(text, { MY_PORT: 'canary-variable' }).join('\n');
    expect(said).not.toMatch(/7777777|8888888|canary-variable|canary-odd|canary-token/);
    expect(said).toContain('integrations.bad.port: must be a number, not a text (found "canary-plain")');
  });
});

describe('mistakes', () => {
  it('are all named at once, each with its line and what would be right', () => {
    const text = `${post}rutes: []
escalations:
  night: { levels: [ { notify: [opps], wait: soon } ] }
routes:
  - match: [ 'severity=="critical"', 'type=~"(?=a)"' ]
    notify: [ops, mial]
    escalate: nigth
    active: office
    grup_wait: 5m
    routes:
      - { group_wait: 5 }
default: { notify: [ops], group_by: [status] }
time_intervals:
  krx: { timezone: Asia/Soul, times: ['8-17'] }
egress: { allow: ['10.0.0.0/40'] }
summaries:
  - { name: daily, at: '25:00' }
`;
    expect(problems(text)).toEqual([
      'line 4, rutes: is not a section: did you mean routes?',
      'line 6, escalations.night.levels[0].wait: must be a duration such as 30s, 5m, 1h30m or 2d (found "soon")',
      'line 8, routes[0].match[0]: matcher "severity==\\"critical\\"": this value needs double quotes around it, at character 11',
      expect.stringMatching(
        /^line 8, routes\[0\]\.match\[1\]: matcher .* not a regular expression \(.*\), at character 7$/,
      ),
      'line 12, routes[0].grup_wait: is not a field: did you mean group_wait?',
      'line 14, routes[0].routes[0].group_wait: must be a duration such as 30s, 5m, 1h30m or 2d (found 5)',
      'line 15, default.group_by[0]: must not be status: a resolve has to find what fired (found "status")',
      'line 17, time_intervals.krx.timezone: "Asia/Soul" is not a time zone such as Asia/Seoul, Europe/Berlin or UTC',
      expect.stringMatching(
        /^line 17, time_intervals\.krx\.times\[0\]: "8-17" is not a range of times such as 08:30-17:00/,
      ),
      'line 18, egress.allow[0]: must be a range such as 10.0.0.0/8, an address or a host name (found "10.0.0.0/40")',
      'line 20, summaries[0].at: must be a time such as 18:00 (found "25:00")',
    ]);
  });

  it('in names are answered with the nearest name', () => {
    const text = `${post}  pages: { type: diary, token: t }
escalations: { night: { levels: [ { notify: [opps] } ] } }
routes:
  - { notify: [ops, mial, pages], escalate: nigth, mute: office, failover: { ops: mali, mail: mail } }
  - { name: default }
summaries: [ { name: daily, at: '18:00', notion: ops } ]
sources: { am: { type: alert } }
`;
    expect(problems(text)).toEqual([
      'line 5, escalations.night.levels[0].notify[0]: there is no integration opps: did you mean ops?',
      'line 7, routes[0].notify[1]: there is no integration mial: did you mean mail?',
      'line 7, routes[0].notify[2]: pages is of type diary, which keeps daily pages: only a summary can name it',
      'line 7, routes[0].failover.ops: there is no integration mali: did you mean mail?',
      'line 7, routes[0].failover.mail: mail cannot stand in for itself',
      'line 7, routes[0].escalate: there is no escalation nigth: did you mean night?',
      'line 7, routes[0].mute: there is no time interval office: none is configured',
      'line 8, routes[1].name: must not be default, which is the name of what no route takes (found "default")',
      'line 9, summaries[0].notion: ops is of type post, which keeps no daily pages',
      `line 10, sources.am.type: there is no source alert: there is ${sources.map(({ id }) => id).join(', ')}`,
    ]);
  });

  it('in the switches by type of event are found by name', () => {
    const written = (events: string) => `integrations: { a: { type: post, url: u, owner: ana, events: ${events} } }`;
    expect(load(written('{ log_gpu_oom: false, log_job_failed: true }')).integrations.get('a')).toMatchObject({
      owner: 'ana',
      events: { log_gpu_oom: false, log_job_failed: true },
    });
    expect(problems(written('{ log_gpu_om: false, log_job_failed: maybe }'))).toEqual([
      'line 1, integrations.a.events.log_job_failed: must be true or false, not a text (found "maybe")',
      'line 1, integrations.a.events.log_gpu_om: is not a field: did you mean log_gpu_oom?',
    ]);
  });

  it('of one integration are no mistakes of the routes that name it', () => {
    expect(problems('integrations: { ops: { type: post } }\ndefault: { notify: ops }')).toEqual([
      'line 1, integrations.ops.url: is required',
    ]);
  });

  it('in the YAML itself are named by their line, without the text', () => {
    expect(problems('integrations:\n  a: [canary\n')[0]).toMatch(/^line \d+: /);
    expect(problems('integrations:\n  a: [canary\n').join()).not.toContain('canary');
    expect(problems('routes: []\nroutes: []')).toEqual(['line 2: Map keys must be unique']);
    expect(problems('just words')).toEqual(['must be a mapping of sections, not a text']);
  });

  it('in attempts that take longer than a round may are found', () => {
    expect(problems('integrations: { a: { type: post, url: u, timeout: 60s, max_attempts: 10 } }')).toEqual([
      'line 1, integrations.a: its attempts may take 606 s together, more than 300 s: lower timeout, max_attempts or backoff',
    ]);
  });

  it('that are only likely are warnings', () => {
    expect(load(`${post}routes:\n  - { name: all, notify: ops }\n  - { name: never, notify: ops }\n`).warnings).toEqual(
      [
        'route all takes everything, so never behind it never will',
        'route default tells nobody: it names no integration in notify',
      ],
    );
  });

  it('in the name of the file are said as such', async () => {
    await expect(loadConfig({ path: join(folder, 'absent.yaml'), env: {} })).rejects.toThrow(
      /cannot be read \(ENOENT\): name the file with --config or TOCSIN_CONFIG/,
    );
  });
});

const EVENT: Event = {
  id: '1',
  source: 's',
  type: 't',
  title: 'x',
  severity: 'info',
  components: [],
  labels: {},
  assignees: [],
  links: [],
  status: 'firing',
};

const DESIGN = `
integrations:
  ops-slack: { type: slack-webhook, url: '\${SLACK_WEBHOOK_URL}', urls: { critical: '\${SLACK_WEBHOOK_URL_CRITICAL}' } }
  ops-mail:  { type: email, host: mail.example.com, port: 587, from: alerts@example.com, to: [ops@example.com] }
  hook:      { type: webhook, url: 'https://example.com/hook', secret: '\${HOOK_SECRET}', format: tocsin, send_resolved: true }
escalations:
  on-call:
    levels: [ { notify: [ops-slack], wait: 5m }, { notify: [ops-mail], wait: 10m } ]
    repeat: 3
routes:
  - match: [ 'severity="critical"' ]
    group_by: [service, type]
    group_wait: 0s
    notify: [ops-slack]
    failover: { ops-slack: ops-mail, after: 15s, only: [critical] }
    escalate: on-call
  - match: [ 'source="trader"' ]
    active: krx-hours
    severity_during: { krx-hours: +1 }
    notify: [ops-slack]
  - match: [ 'type=~"job_.*"' ]
    lifecycle: job
    notify: [ops-slack]
default: { group_by: [service, type], group_wait: 5m, group_count: 3, group_now: [critical], group_interval: 5m, repeat_interval: 4h, notify: [ops-slack] }
inhibitions:
  - { source: [ 'type="host_down"' ], target: [ 'severity=~"warning|error"' ], equal: [host] }
time_intervals:
  krx-hours: { timezone: Asia/Seoul, weekdays: [mon-fri], times: ['08:30-17:00'] }
egress: { allow: ['127.0.0.0/8'] }
`;
