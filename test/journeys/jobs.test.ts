/** Journeys of a job from where it runs to the thread in which people read of it: both wrappers, and Tocsin away meanwhile. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MadeKey } from '../../src/clients/client.ts';
import { runJob } from '../../src/clients/job.ts';
import { type Harness, harness } from '../support/harness.ts';
import { hasPython } from '../support/python.ts';
import { type Line, startLine } from '../support/tcp-proxy.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONFIG = `
integrations:
  chat:
    { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#jobs', users_channel: '#users', privacy: mask,
      job_channels: { 'reddit_*': '#reddit' } }
routes:
  - { name: jobs, type: ['job_*'], lifecycle: job, group_by: [run], notify: [chat] }
  - { name: users, type: ['user_*'], group_wait: 0s, notify: [chat] }
default: { notify: [] }
egress: { allow: ['127.0.0.0/8'] }
`;

let h: Harness;
let line: Line;
let spool: string;
let env: Record<string, string>;
beforeAll(async () => {
  h = await harness({ config: CONFIG });
  const { body } = await h.call('POST', '/v1/keys', { name: 'jobs', scopes: ['ingest'] });
  line = await startLine({ port: Number(new URL(h.url).port) });
  spool = mkdtempSync(join(tmpdir(), 'tocsin-spool-'));
  env = { TOCSIN_URL: `http://127.0.0.1:${line.port}`, TOCSIN_API_KEY: (body as MadeKey).secret, TOCSIN_SPOOL: spool };
});
afterEach(() => h.done());
afterAll(async () => {
  await line?.close();
  await h?.stop();
  rmSync(spool, { recursive: true, force: true });
});

/** Field of a Slack message: its name in bold, its value below. */
const field = (name: string, value: string): RegExp => new RegExp(`\\*${name}\\*\\n${value}(\\n|$)`);

/** What is told of sixty lines, 101 to 160, that came within ten seconds: the first at once, the last twenty when it is over. */
async function streamed(start: { ts: string }): Promise<void> {
  const last = Array.from({ length: 20 }, (_, at) => 141 + at).join('\n');
  for (const body of ['101', last]) {
    const told = await h.slack.expects(new RegExp(`goes on[^]*\n${body}(\n|$)`));
    expect(told.thread_ts).toBe(start.ts);
  }
}

describe('a job that runs by a wrapper', () => {
  it('is one thread: the start with environment and metadata, its progress, and the end with duration, counts and statistics', async () => {
    await runJob(
      'reddit_scraper',
      async (job) => {
        job.progress({ processed: 50, total: 105 });
        return { success: 100, failed: 5, slowest: 'r/stocks' };
      },
      { subreddits: 12 },
      { env, environment: 'production' },
    );
    const start = await h.slack.expects(/reddit_scraper has started/);
    const progress = await h.slack.expects(/reddit_scraper: 50 of 105 \(47%\)/);
    const end = await h.slack.expects(/DONE reddit_scraper has completed/);
    expect(start.asked).toBe('#reddit');
    // The first message is edited at the end: both show it, as it came and as it stands then.
    for (const shown of [/reddit_scraper has started/, field('environment', 'production'), field('subreddits', '12')])
      expect(start.posted).toMatch(shown);
    for (const shown of [field('environment', 'production'), field('subreddits', '12')])
      expect(start.all).toMatch(shown);
    expect([progress.thread_ts, end.thread_ts]).toEqual([start.ts, start.ts]);
    const outcome = [
      field('success', '100'),
      field('failed', '5'),
      field('slowest', 'r/stocks'),
      /\*Took\*\n\d+ (ms|s)/,
    ];
    for (const shown of outcome) expect(end.all).toMatch(shown);
  });

  it('that fails while Tocsin is away keeps its exit code, and is told whole and in order when Tocsin is back', async () => {
    const tocsin = async (args: string[], wait: string): Promise<unknown> => {
      const options = { env: { PATH: process.env.PATH ?? '', ...env, TOCSIN_WAIT: wait }, stdio: 'ignore' as const };
      const child = spawn(process.execPath, [`${ROOT}src/main/tocsin.ts`, 'run', ...args], options);
      const [code] = await once(child, 'exit');
      return code;
    };
    line.set('cut');
    expect(await tocsin(['--name', 'nightly', '--', 'sh', '-c', 'echo "disk is full" >&2; exit 7'], '0.2')).toBe(7);
    line.set('pass');
    expect(await tocsin(['--name', 'morning', '--stream', '--', 'seq', '101', '160'], '20')).toBe(0);
    const start = await h.slack.expects(/nightly has started/);
    const end = await h.slack.expects(/ERROR nightly has failed/);
    expect(end.thread_ts).toBe(start.ts);
    expect(end.all).toContain('disk is full\nexit code 7');
    const next = await h.slack.expects(/morning has started/);
    await streamed(next);
    expect((await h.slack.expects(/morning has completed/)).thread_ts).toBe(next.ts);
  });
});

describe.runIf(hasPython)('the Python client', () => {
  const python = async (code: string): Promise<{ code: unknown; stderr: string }> => {
    const script = `import sys\nsys.path.insert(0, sys.argv[1])\nsys.dont_write_bytecode = True\n${code}`;
    const child = spawn('python3', ['-c', script, `${ROOT}src/clients`], {
      env: { PATH: process.env.PATH ?? '', ...env, ENVIRONMENT: 'staging' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const [exit] = await once(child, 'close');
    return { code: exit, stderr };
  };

  it('tells the story of run_with_slack, and of the error that ends it', async () => {
    const { code, stderr } = await python(`
from tocsin import current_job, run_with_slack
def good():
    current_job().progress(processed=1, total=2)
    return {"success": 100, "failed": 5}
assert run_with_slack(job_name="analyze_sentiment", job_func=good, metadata={"model": "small"}) == {"success": 100, "failed": 5}
def bad():
    raise ValueError("no such ticker")
run_with_slack("collect_stock_prices", bad)
`);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^Traceback[\s\S]*ValueError: no such ticker\n$/)]);
    const start = await h.slack.expects(/analyze_sentiment has started/);
    const progress = await h.slack.expects(/analyze_sentiment: 1 of 2 \(50%\)/);
    const end = await h.slack.expects(/DONE analyze_sentiment has completed/);
    for (const shown of [field('environment', 'staging'), field('model', 'small')]) expect(start.posted).toMatch(shown);
    for (const shown of [field('success', '100'), field('failed', '5'), /\*Took\*/]) expect(end.all).toMatch(shown);
    expect([progress.thread_ts, end.thread_ts]).toEqual([start.ts, start.ts]);
    const failing = await h.slack.expects(/collect_stock_prices has started/);
    const failed = await h.slack.expects(/ERROR collect_stock_prices has failed/);
    expect(failed.thread_ts).toBe(failing.ts);
    expect(failed.all).toContain('ValueError: no such ticker');
  });

  it('streams the last lines of a command into its thread', async () => {
    const args = [`${ROOT}src/clients/tocsin.py`, 'run', '--name', 'epochs', '--stream', '--', 'seq', '101', '160'];
    const child = spawn('python3', ['-B', ...args], {
      env: { PATH: process.env.PATH ?? '', ...env, TOCSIN_WAIT: '20' },
      stdio: 'ignore',
    });
    expect(await once(child, 'exit')).toEqual([0, null]);
    const start = await h.slack.expects(/epochs has started/);
    await streamed(start);
    expect((await h.slack.expects(/epochs has completed/)).thread_ts).toBe(start.ts);
  });

  it('tells of a new user, of whom no more is shown than the channel may show', async () => {
    const call = `notify_user_registered("ana@example.com", "Ana Lee", "u-7", 1204, environment="production")`;
    expect(await python(`from tocsin import notify_user_registered\nassert ${call}`)).toEqual({ code: 0, stderr: '' });
    const told = await h.slack.expects(/New user/);
    expect(told.asked).toBe('#users');
    for (const shown of [field('User ID', 'u-7'), field('Total users', '1204'), field('Environment', 'production')])
      expect(told.all).toMatch(shown);
    expect(told.all).toMatch(field('Email', 'a•••@example\\.com'));
    expect(told.all).not.toContain('Ana Lee');
  });
});
