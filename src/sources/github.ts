/** GitHub's webhooks: builds, checks, deployments, security alerts and changes. https://docs.github.com/en/webhooks */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import type { Event } from '../core/event.ts';
import { type About, eventFrom, NEWS_EXPIRE_MS } from './github/about.ts';
import { codeScanning, dependabot, secretScanning } from './github/alerts.ts';
import { checkRun, workflowRun } from './github/builds.ts';
import { pullRequest, push, release } from './github/changes.ts';
import { deployment, deploymentReview, deploymentStatus } from './github/deployments.ts';
import { defineSource, headerOf, isSame, LIMITS, nameOf } from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).default('github').meta({
    title: 'Source',
    description: 'The source of its events.',
  }),
  secret: z.string().min(16).meta({
    title: 'Secret',
    description: 'The secret of the webhook: GitHub signs every request with it.',
    writeOnly: true,
  }),
  successes: z.boolean().default(false).meta({
    title: 'Successes',
    description:
      'A build, check or deployment that passed is an event of its own as well. Off: it only ends the failure before it.',
  }),
});

/** By the header X-GitHub-Event: what a payload is about, or why it is no event of ours. */
const READERS: Readonly<Record<string, (payload: unknown) => About | About[] | string>> = {
  workflow_run: workflowRun,
  check_run: checkRun,
  deployment,
  deployment_status: deploymentStatus,
  deployment_review: deploymentReview,
  code_scanning_alert: codeScanning,
  dependabot_alert: dependabot,
  secret_scanning_alert: secretScanning,
  pull_request: pullRequest,
  push,
  release,
  ping: () => 'a ping: the webhook reaches us, and its secret is right',
};

/** GitHub delivers no payload that is larger (https://docs.github.com/en/webhooks/webhook-events-and-payloads, payload cap). */
const PAYLOAD_MAX_BYTES = 25 * 1024 * 1024;

/** A form has one field, and percent-encoding makes three bytes of one at most. */
const FORM = /^payload=([^&]*)$/;

export const github = defineSource({
  id: 'github',
  name: 'GitHub',
  setup:
    'Add a webhook to the repository, the organization or the app: its URL is this source, its content type application/json, its secret the one given here. Choose the events: workflow runs, check runs, deployments, deployment reviews, alerts, pull requests, pushes, releases.',
  config,
  max_bytes: PAYLOAD_MAX_BYTES,

  /** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries; no time is signed. */
  verify(raw, headers, { secret }) {
    const signature = `sha256=${createHmac('sha256', secret).update(raw).digest('hex')}`;
    return isSame(headerOf(headers, 'x-hub-signature-256'), signature)
      ? undefined
      : 'the signature is missing or wrong';
  },

  /** A webhook's default content type is a form, whose field `payload` is the JSON. */
  unwrap(raw, headers) {
    if (!headerOf(headers, 'content-type').toLowerCase().startsWith('application/x-www-form-urlencoded')) return raw;
    const [, encoded] = FORM.exec(raw.toString('latin1')) ?? [];
    if (encoded === undefined) return raw;
    try {
      return Buffer.from(decodeURIComponent(encoded.replaceAll('+', ' ')), 'utf8');
    } catch {
      return raw;
    }
  },

  normalise(payload, { config, now, headers }) {
    const refused = (problem: string) => ({ events: [], rejected: [{ index: 0, problem }] });
    const kind = headerOf(headers, 'x-github-event');
    if (kind === '') return refused('not a message of GitHub: it has no header X-GitHub-Event');
    const read = Object.hasOwn(READERS, kind) ? READERS[kind] : undefined;
    if (!read) return refused('an event of GitHub that is no event here: leave it out of the webhook');
    const about = read(payload);
    if (typeof about === 'string') return refused(about);
    const delivery = headerOf(headers, 'x-github-delivery');
    const events: Event[] = [];
    for (const one of [about].flat()) {
      const event = eventFrom(payload, one, { kind, source: config.source, delivery, now });
      if (typeof event === 'string') return refused(event);
      events.push(event, ...(config.successes && one.isSuccess ? [successOf(event, now)] : []));
    }
    return { events, rejected: [] };
  },
});

/** The news of a success, beside the resolve; nobody has to answer it, and it ends by itself. */
function successOf(event: Event, now: Date): Event {
  const id = nameOf(['told', event.id], LIMITS.id);
  const expires_at = new Date(now.getTime() + NEWS_EXPIRE_MS).toISOString();
  return { ...event, id, status: 'firing', dedup_key: id, expires_at };
}
