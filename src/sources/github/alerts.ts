/** Alerts of code scanning, Dependabot and secret scanning: open ones fire until they are fixed or dismissed. */
import { type Severity, severityOf } from '../../core/event.ts';
import { listAt, textAt, valueAt } from '../source.ts';
import { type About, linkTo } from './about.ts';

const FIRES = new Set([
  'created',
  'reopened',
  'reopened_by_user',
  'auto_reopened',
  'appeared_in_branch',
  'publicly_leaked',
]);
const ENDS = new Set(['fixed', 'closed_by_user', 'dismissed', 'auto_dismissed', 'resolved', 'revoked']);

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#code_scanning_alert */
export function codeScanning(payload: unknown): About | string {
  const alert = valueAt(payload, 'alert');
  const instance = valueAt(alert, 'most_recent_instance') ?? listAt(alert, 'instances')[0];
  const ref = textAt(payload, 'ref') || textAt(instance, 'ref');
  const rule = textAt(alert, 'rule', 'description') || textAt(alert, 'rule', 'id') || 'Code scanning alert';
  const path = textAt(instance, 'location', 'path');
  const line = textAt(instance, 'location', 'start_line');
  return about(payload, 'cs', {
    title: rule,
    word: textAt(alert, 'rule', 'security_severity_level') || textAt(alert, 'rule', 'severity'),
    body: [path && `${path}${line && `:${line}`}`, textAt(alert, 'rule', 'full_description')]
      .filter((text) => text !== '')
      .join('\n\n'),
    labels: {
      branch: /^refs\/heads\/(.+)$/.exec(ref)?.[1] ?? '',
      pull_request: /^refs\/pull\/(\d+)\//.exec(ref)?.[1] ?? '',
      sha: textAt(payload, 'commit_oid') || textAt(instance, 'commit_sha'),
      tool: textAt(alert, 'tool', 'name'),
      rule: textAt(alert, 'rule', 'id'),
    },
  });
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#dependabot_alert */
export function dependabot(payload: unknown): About | string {
  const alert = valueAt(payload, 'alert');
  const advisory = valueAt(alert, 'security_advisory');
  const name = textAt(alert, 'dependency', 'package', 'name');
  const patched = textAt(alert, 'security_vulnerability', 'first_patched_version', 'identifier');
  return about(payload, 'db', {
    title: textAt(advisory, 'summary') || `A vulnerable dependency${name && `: ${name}`}`,
    word: textAt(advisory, 'severity') || textAt(alert, 'security_vulnerability', 'severity'),
    body: [patched && name && `Fixed in ${name} ${patched}.`, textAt(advisory, 'description')]
      .filter((text) => text !== '')
      .join('\n\n'),
    labels: {
      tool: 'Dependabot',
      package: name,
      ecosystem: textAt(alert, 'dependency', 'package', 'ecosystem'),
      manifest: textAt(alert, 'dependency', 'manifest_path'),
      ghsa: textAt(advisory, 'ghsa_id'),
      cve: textAt(advisory, 'cve_id'),
      cvss: scoreIn(advisory),
    },
    remediation: patched && name && `Upgrade ${name} to ${patched}.`,
  });
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#secret_scanning_alert; the secret itself is never read. */
export function secretScanning(payload: unknown): About | string {
  const alert = valueAt(payload, 'alert');
  const type = textAt(alert, 'secret_type_display_name') || textAt(alert, 'secret_type');
  return about(payload, 'ss', {
    title: `A secret was found${type && `: ${type}`}`,
    word: 'critical',
    body: '',
    labels: { tool: 'Secret scanning', secret_type: textAt(alert, 'secret_type') },
  });
}

/** An advisory without a score says 0. */
const scoreIn = (advisory: unknown): string =>
  [
    textAt(advisory, 'cvss_severities', 'cvss_v4', 'score'),
    textAt(advisory, 'cvss_severities', 'cvss_v3', 'score'),
    textAt(advisory, 'cvss', 'score'),
  ].find((score) => Number(score) > 0) ?? '';

interface Found {
  title: string;
  word: string;
  body: string;
  labels: About['labels'];
  remediation?: string;
}

function about(payload: unknown, kind: string, { title, word, body, labels, remediation = '' }: Found): About | string {
  const action = textAt(payload, 'action');
  const isFiring = FIRES.has(action);
  if (!isFiring && !ENDS.has(action)) return 'it neither opens nor closes the alert';
  const alert = valueAt(payload, 'alert');
  const number = textAt(alert, 'number');
  if (number === '') return 'an alert without a number';
  const changed = textAt(alert, 'updated_at');
  // What is opened again happened now, not when it was first found.
  const at = isFiring
    ? action === 'created'
      ? textAt(alert, 'created_at')
      : changed
    : textAt(alert, 'fixed_at') || textAt(alert, 'dismissed_at') || textAt(alert, 'resolved_at') || changed;
  const repository = textAt(payload, 'repository', 'full_name');
  return {
    id: [repository, number, action, at],
    type: 'security_alert',
    title: `${title} in ${repository}`,
    severity: severityIn(word),
    severity_word: word,
    status: isFiring ? 'firing' : 'resolved',
    key: [kind, number],
    body,
    occurred_at: at,
    labels: { ...labels, state: action },
    context: { remediation },
    links: linkTo('View Details', textAt(alert, 'html_url')),
  };
}

/** A `note` is code scanning's mildest; a word nobody knows is not taken lightly. */
const severityIn = (word: string): Severity => (word === 'note' ? 'info' : (severityOf(word) ?? 'warning'));
