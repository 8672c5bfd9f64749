/**
 * Jira Cloud: one issue per incident, a comment for what follows, and done when it is over.
 * https://developer.atlassian.com/cloud/jira/platform/rest/v3/
 */
import type { Client } from 'jira.js/core';
import { z } from 'zod';
import { isPage, type Notice } from '../core/notice.ts';
import {
  type Call,
  type CheckCall,
  defineChannel,
  delivered,
  type Outcome,
  type Ref,
  rejected,
  secret,
} from './channel.ts';
import { commentOf, type Document, descriptionOf } from './jira/document.ts';
import { customFieldsOf, fieldValue, incidentLabel, labelsOf, markOf, summaryOf, template } from './jira/fields.ts';
import { wayOf } from './jira/transitions.ts';
import { clientFor, oddAnswer, outcomeOf, Refused } from './jira/transport.ts';

/** The newest comments that are looked through for one that may have arrived. */
const COMMENTS_SEEN = 50;
const PERMISSIONS = ['CREATE_ISSUES', 'ADD_COMMENTS', 'EDIT_ISSUES', 'TRANSITION_ISSUES'] as const;

/** In a service project a comment is shown to customers unless it says otherwise; elsewhere this means nothing. */
const INTERNAL = [{ key: 'sd.public.comment', value: { internal: true } }];

const priorityFor = (severity: string, name: string) =>
  z
    .string()
    .min(1)
    .default(name)
    .meta({ title: `Priority, ${severity}`, description: `The name of the priority of ${severity} incidents.` });

const config = z.strictObject({
  base_url: z.url({ protocol: /^https?$/ }).meta({
    title: 'Address',
    description:
      'https://your-org.atlassian.net. For a token with scopes https://api.atlassian.com/ex/jira/ and the cloud id.',
  }),
  email: z.email().meta({ title: 'E-mail', description: 'Of the account that the API token belongs to.' }),
  api_token: secret('API token', 'Made at id.atlassian.com, Security, API tokens. It expires after a year at most.'),
  project_key: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{1,254}$/, 'expected the key of a project, such as OPS')
    .meta({ title: 'Project', description: 'The key in front of its issues’ numbers: OPS of OPS-17.' }),
  issue_type: z
    .string()
    .min(1)
    .max(255)
    .default('Task')
    .meta({ title: 'Issue type', description: 'By name, as the project calls it (Incident, Task, Bug), or by id.' }),
  priorities: z
    .strictObject({
      critical: priorityFor('critical', 'Highest'),
      error: priorityFor('error', 'High'),
      warning: priorityFor('warning', 'Medium'),
      info: priorityFor('info', 'Low'),
    })
    .prefault({})
    .meta({
      title: 'Priorities by severity',
      description: 'Highest, High, Medium and Low otherwise; left out where the project does not take it.',
    }),
  labels: z
    .array(template)
    .max(20)
    .default([])
    .meta({ title: 'More labels', description: 'Besides system:, severity:, type: and trace:. May hold templates.' }),
  fields: z
    .record(z.string().regex(/^customfield_\d{1,12}$/, 'expected customfield_ and its number'), fieldValue)
    .default({})
    .meta({
      title: 'Custom fields',
      description: 'By id. A value may be a template; a choice is { value: … }, several lines are { document: … }.',
    }),
  send_resolved: z.boolean().default(true).meta({
    title: 'Close when resolved',
    description: 'Comment on the end of an incident and move its issue to done.',
  }),
  done_status: z.string().min(1).optional().meta({
    title: 'Done status',
    description: 'Which status is done where the workflow has several, such as Done and Won’t do.',
  }),
  resolution: z.string().min(1).max(255).optional().meta({
    title: 'Resolution',
    description: 'Given where the screen on the way to done has that field. Where it requires one: Done unless set.',
  }),
});
type Config = z.output<typeof config>;

/** The fields of a new issue, and the comment where there is one already. Pure; golden files in test/golden/jira. */
export function render(notice: Notice, config: Config): { fields: Record<string, unknown>; comment: Document } {
  return {
    fields: {
      project: { key: config.project_key },
      issuetype: /^\d+$/.test(config.issue_type) ? { id: config.issue_type } : { name: config.issue_type },
      summary: summaryOf(notice),
      description: descriptionOf(notice, markOf(notice)),
      labels: labelsOf(notice, config.labels),
      priority: { name: config.priorities[notice.incident.severity] },
      ...customFieldsOf(config.fields, notice),
    },
    comment: commentOf(notice, markOf(notice)),
  };
}

export const jira = defineChannel({
  id: 'jira',
  name: 'Jira',
  setup:
    'Make an API token at id.atlassian.com for an account that may create, comment and transition issues in the project.',
  config,
  sample: {
    base_url: 'https://your-org.atlassian.net',
    email: 'alerts@example.com',
    api_token: 'ATATT3xFf-sample-not-a-real-one',
    project_key: 'OPS',
    issue_type: 'Incident',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of ours, filled in for each incident.
    labels: ['region:${labels.region}'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the same.
    fields: { customfield_10042: { value: '${severity}' }, customfield_10043: '${components}' },
  },
  can: { thread: true, update: true, answer: true },
  // Jira's search lags some seconds behind: a repeat that looks too early would open a second issue.
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 15_000 },
  // Ours: Atlassian limits bursts per second and request, and a notice takes up to four.
  rate: { count: 5, per_ms: 1_000 },

  async send(call) {
    const root = issueOf(call.root);
    if (root === undefined && !opens(call.notice)) {
      return delivered(undefined, 'Jira has no issue of this incident to comment on');
    }
    try {
      const jira = await open(call);
      return root === undefined ? await create(jira, call) : await follow(jira, call, root);
    } catch (error) {
      return outcomeOf(error, call.signal);
    }
  },

  async find(call) {
    const jira = await open(call);
    const root = issueOf(call.root);
    if (root === undefined) return lookup(jira, call);
    const mark = markOf(call.notice);
    const { comments } = await jira.getComments({ issueIdOrKey: root, orderBy: '-created', maxResults: COMMENTS_SEEN });
    const found = listIn(comments).find(({ body }) => JSON.stringify(body ?? '').includes(mark));
    return found === undefined ? undefined : { key: root, comment: String(found.id) };
  },

  async check(call) {
    try {
      return await checked(await open(call), call.config);
    } catch (error) {
      return outcomeOf(error, call.signal);
    }
  },
});

type Jira = Awaited<ReturnType<typeof open>>;

/** The requests of jira.js over our wire. Loaded when first used: it is large, and few have Jira. */
async function open(call: CheckCall<Config>) {
  const client: Client = clientFor(call);
  const api = await import('jira.js/cloud');
  const over =
    <Asked, Answer>(request: (client: Client, asked: Asked) => Promise<Answer>) =>
    (asked: Asked): Promise<Answer> =>
      request(client, asked);
  return {
    createIssue: over(api.createIssue),
    getIssue: over(api.getIssue),
    editIssue: over(api.editIssue),
    addComment: over(api.addComment),
    getComments: over(api.getComments),
    getTransitions: over(api.getTransitions),
    doTransition: over(api.doTransition),
    search: over(api.searchAndReconsileIssuesUsingJqlPost),
    getCurrentUser: over(api.getCurrentUser),
    getProject: over(api.getProject),
    getMyPermissions: over(api.getMyPermissions),
  };
}

/** What deserves an issue of its own: a page, a test, a job as long as it is not over and well. */
const opens = ({ reason, story }: Notice): boolean => (story ? !isOver(story) : isPage(reason) || reason === 'test');
const isOver = ({ phase, ok }: NonNullable<Notice['story']>): boolean => phase === 'end' && ok;

/** The issue's key, or its id; both stand in addresses, so nothing else is let through. */
function issueOf(ref: Ref | undefined): string | undefined {
  const key = ref?.key;
  return typeof key === 'string' && /^([A-Z][A-Z0-9_]*-)?\d+$/.test(key) ? key : undefined;
}

/** Once more without the fields that the project does not take: an issue without them is better than none. */
async function create(jira: Jira, { notice, config }: Call<Config>): Promise<Outcome> {
  const { fields } = render(notice, config);
  const optional = new Set(['description', 'priority', 'labels', ...Object.keys(config.fields)]);
  try {
    return created(await jira.createIssue({ fields }));
  } catch (error) {
    if (!(error instanceof Refused) || error.fields.length === 0) throw error;
    if (!error.fields.every((name) => optional.has(name))) throw error;
    const taken = Object.entries(fields).filter(([name]) => !error.fields.includes(name));
    const outcome = created(await jira.createIssue({ fields: Object.fromEntries(taken) }));
    if (outcome.kind !== 'delivered') return outcome;
    return delivered(outcome.ref, `opened without ${error.fields.join(', ')}: ${error.message}`);
  }
}

function created({ id, key }: { id?: unknown; key?: unknown }): Outcome {
  const ref = { key: typeof key === 'string' ? key : '', ...(typeof id === 'string' ? { id } : {}) };
  return issueOf(ref) === undefined ? oddAnswer(201) : delivered(ref);
}

/** What answers without a list is not Jira's search, and has not said that nothing is there. */
function listIn<Item>(list: Item[] | undefined): Item[] {
  if (!Array.isArray(list)) throw new Refused(200, oddAnswer(200));
  return list;
}

/** The issue of this incident by its label, the oldest where there are several. */
async function lookup(jira: Jira, { notice, config }: Call<Config>): Promise<Ref | undefined> {
  const jql = `project = "${config.project_key}" AND labels = "${incidentLabel(notice)}" ORDER BY created ASC`;
  const { issues } = await jira.search({ jql, maxResults: 1, fields: ['status'] });
  const [found] = listIn(issues);
  const ref = { key: String(found?.key ?? found?.id ?? '') };
  return issueOf(ref) === undefined ? undefined : ref;
}

/** The change first, for it can be repeated without harm; the comment, which cannot, last. */
async function follow(jira: Jira, call: Call<Config>, issue: string): Promise<Outcome> {
  const { notice, config } = call;
  const note = await change(jira, call, issue);
  try {
    const body = render(notice, config).comment;
    const { id } = await jira.addComment({ issueIdOrKey: issue, body, properties: INTERNAL });
    if (typeof id !== 'string') return oddAnswer(201);
    return delivered({ key: issue, comment: id }, note);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
    if (!opens(notice)) return delivered(undefined, `the issue ${issue} is gone: nothing was said`);
    const other = issueOf(await lookup(jira, call));
    if (other !== undefined && other !== issue) return follow(jira, call, other);
    return create(jira, call);
  }
}

/** Moves the issue, or corrects its severity; the note says why it was not done. What passes is tried again as a whole. */
async function change(jira: Jira, call: Call<Config>, issue: string): Promise<string | undefined> {
  const { notice, config } = call;
  const { reason, story } = notice;
  try {
    if (reason === 'resolved' || (story && isOver(story))) return await move(jira, call, issue, true);
    if (reason === 'fired_again') return await move(jira, call, issue, false);
    if (reason === 'severity_rose') await jira.editIssue({ issueIdOrKey: issue, ...severityOf(notice, config) });
    return undefined;
  } catch (error) {
    if (!(error instanceof Refused) || error.outcome.kind === 'retry') throw error;
    return `commented, but the issue was not changed: ${error.message}`;
  }
}

function severityOf({ incident: { severity } }: Notice, { priorities }: Config) {
  const others = Object.keys(priorities).filter((name) => name !== severity);
  return {
    fields: { priority: { name: priorities[severity] } },
    update: { labels: [...others.map((name) => ({ remove: `severity:${name}` })), { add: `severity:${severity}` }] },
  };
}

/** Nothing is done where the issue is there already. Gives what an operator should know of it. */
async function move(
  jira: Jira,
  { notice, config }: Call<Config>,
  issue: string,
  done: boolean,
): Promise<string | undefined> {
  const { fields } = await jira.getIssue({ issueIdOrKey: issue, fields: ['status'] });
  const category = (fields as { status?: { statusCategory?: { key?: unknown } } } | undefined)?.status?.statusCategory;
  if ((category?.key === 'done') === done) return undefined;
  const { transitions = [] } = await jira.getTransitions({ issueIdOrKey: issue, expand: 'transitions.fields' });
  const { done_status, resolution } = config;
  const way = wayOf(transitions, { done, done_status, resolution, fields: customFieldsOf(config.fields, notice) });
  const where = done ? 'done' : 'open';
  if (!way) {
    return `commented, but not moved: from where ${issue} is, the workflow has no way to ${where} for this account`;
  }
  if ('lacking' in way) {
    return `commented, but not moved: the screen on the way to ${where} requires ${way.lacking.join(', ')}; make that optional there, or give it a default or a value under fields`;
  }
  const given = Object.keys(way.fields).length === 0 ? {} : { fields: way.fields };
  await jira.doTransition({ issueIdOrKey: issue, transition: { id: way.id }, ...given });
  return way.note;
}

async function checked(jira: Jira, { project_key, issue_type }: Config): Promise<Outcome> {
  await jira.getCurrentUser({});
  const project = await jira.getProject({ projectIdOrKey: project_key }).catch((error: unknown) => {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
    return undefined;
  });
  if (!project)
    return rejected('config', `Jira: no project ${project_key}, or the account cannot see it; give it access`);
  const asked = await jira.getMyPermissions({ projectKey: project_key, permissions: PERMISSIONS.join(',') });
  const lacks = (name: (typeof PERMISSIONS)[number]) => asked.permissions?.[name]?.havePermission !== true;
  if (lacks('CREATE_ISSUES')) {
    return rejected('auth', `Jira: the account may not create issues in ${project_key}; give it a role that may`);
  }
  const types = (project.issueTypes ?? []).filter(({ subtask }) => !subtask);
  if (types.length > 0 && !types.some(({ id, name }) => issue_type === name || issue_type === id)) {
    const names = types.map(({ name }) => name).join(', ');
    return rejected('config', `Jira: ${project_key} has no issue type ${issue_type}; it has ${names}`);
  }
  const lacking = [
    ...(lacks('ADD_COMMENTS') ? ['comment on'] : []),
    ...(lacks('EDIT_ISSUES') ? ['edit'] : []),
    ...(lacks('TRANSITION_ISSUES') ? ['transition'] : []),
  ];
  return lacking.length === 0
    ? delivered()
    : delivered(undefined, `issues can be opened, but the account may not ${lacking.join(' or ')} them`);
}
