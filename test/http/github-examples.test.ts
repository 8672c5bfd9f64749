/** Every payload that Octokit publishes of GitHub's webhooks, posted as GitHub posts it: an event of ours, or none; never a failure. */
import { createHmac } from 'node:crypto';
import published from '@octokit/webhooks-examples';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../../src/channels/index.ts';
import { fromText } from '../../src/config/load.ts';
import { sources } from '../../src/sources/index.ts';
import { type Api, pick, startApi } from './harness.ts';

const SECRET = 'the-secret-of-the-webhook';
const CONFIG = `
integrations: { terminal: { type: stdout } }
default: { notify: [terminal] }
sources: { code: { type: github, secret: ${SECRET} } }
`;
/** Its types describe a module where Node finds JSON. */
const examples = published as unknown as { name: string; examples: unknown[] }[];
/** What GitHub calls the events that are read. */
const READ = [
  'check_run',
  'code_scanning_alert',
  'dependabot_alert',
  'deployment',
  'deployment_review',
  'deployment_status',
  'pull_request',
  'push',
  'release',
  'workflow_run',
];

let api: Api;
beforeAll(async () => {
  api = await startApi({ config: fromText(CONFIG, 'the tests', {}, { channels, writers, sources }) });
});
afterAll(() => api.stop());

const post = (event: string, payload: unknown) => {
  const raw = JSON.stringify(payload);
  const signature = `sha256=${createHmac('sha256', SECRET).update(raw).digest('hex')}`;
  const headers = {
    'x-github-event': event,
    'x-github-delivery': crypto.randomUUID(),
    'x-hub-signature-256': signature,
    'content-type': 'application/json',
  };
  return api.call('POST', '/v1/sources/code', { raw, headers });
};

describe("Octokit's examples", () => {
  it.each(examples.map(({ name, examples: payloads }) => ({ name, payloads })))(
    'of $name are accepted, each an event or said to be none',
    async ({ name, payloads }) => {
      let made = 0;
      for (const payload of payloads) {
        const { status, body } = await post(name, payload);
        // Some examples are about one and the same run: one event, however it comes.
        const [accepted = 0, known = 0, rejected = 0] = ['accepted', 'duplicates', 'rejected'].map(
          (list) => (pick(body, list) as unknown[]).length,
        );
        expect([status, accepted + known + rejected]).toEqual([202, 1]);
        made += accepted;
      }
      expect(made > 0, `${made} events of ${payloads.length}`).toBe(READ.includes(name));
    },
  );
});
