/**
 * Linear: one issue per incident with an id of our making, a comment for what follows, and done when it is over.
 * https://linear.app/developers/graphql
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Severity } from '../core/event.ts';
import { isPage, type Notice } from '../core/notice.ts';
import { type Call, defineChannel, delivered, type Outcome, type Ref, secret } from './channel.ts';
import { attachmentsOf, commentOf, descriptionOf, titleOf } from './linear/markdown.ts';
import { ask, attachRequest, outcomeOf, Refused, requests } from './linear/requests.ts';

const config = z.strictObject({
  api_key: secret('API key', 'Starts with lin_api_. Made in Settings, Security & access, Personal API keys.'),
  team_id: z.uuid('expected the team’s id, such as 9cfb482a-81e3-4154-b5b9-2c805e70a02d').meta({
    title: 'Team',
    description: 'Its id: open the team, press Cmd or Ctrl and K, choose “Copy model UUID”.',
  }),
  project_id: z.uuid().optional().meta({ title: 'Project', description: 'The id of a project for new issues.' }),
  label_ids: z
    .array(z.uuid())
    .max(50)
    .default([])
    .meta({ title: 'Labels', description: 'Ids of labels for new issues.' }),
  api_url: z
    .url({ protocol: /^https?$/ })
    .default('https://api.linear.app/graphql')
    .meta({ title: 'API address', description: 'Only changed for tests and proxies.' }),
  send_resolved: z.boolean().default(true).meta({
    title: 'Close when resolved',
    description: 'Comment on the end of an incident and move its issue to done.',
  }),
});
type Config = z.output<typeof config>;

/** Linear's own: 1 urgent, 2 high, 3 medium, 4 low. */
const PRIORITIES: Record<Severity, number> = { critical: 1, error: 2, warning: 3, info: 4 };

/** The input of a new issue, and the comment where there is one already. Pure; golden files in test/golden/linear. */
export function render(notice: Notice, { team_id, project_id, label_ids }: Config) {
  return {
    input: {
      id: uuidOf(notice.delivery.key),
      teamId: team_id,
      title: titleOf(notice),
      description: descriptionOf(notice),
      priority: PRIORITIES[notice.incident.severity],
      ...(project_id === undefined ? {} : { projectId: project_id }),
      ...(label_ids.length === 0 ? {} : { labelIds: label_ids }),
    },
    attachments: attachmentsOf(notice),
    comment: commentOf(notice),
  };
}

export const linear = defineChannel({
  id: 'linear',
  name: 'Linear',
  setup:
    'Make a personal API key that may read, create issues and create comments in the team, and copy the team’s id.',
  config,
  sample: {
    api_key: 'lin_api_sample_not_a_real_one',
    team_id: '9cfb482a-81e3-4154-b5b9-2c805e70a02d',
    label_ids: ['4b2b5b6e-7f3e-4bb0-a1c7-6c2d6f3d0a11'],
  },
  can: { thread: true, update: true, answer: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
  // Keys have been seen with 2,500 requests an hour (the documented figure is higher), and a notice takes up to three.
  rate: { count: 600, per_ms: 3_600_000 },

  async send(call) {
    const root = issueOf(call.root);
    if (root === undefined && !opens(call.notice)) {
      return delivered(undefined, 'Linear has no issue of this incident to comment on');
    }
    try {
      return root === undefined ? await open(call) : await follow(call, root);
    } catch (error) {
      return outcomeOf(error, call.signal);
    }
  },

  // An id that we give is taken once.
  recognises: true,

  async find(call) {
    const id = uuidOf(call.notice.delivery.key);
    const root = issueOf(call.root);
    try {
      if (root === undefined) return (await ask(call, requests.findIssue, { id })).issue;
      await ask(call, requests.findComment, { id });
      return { id: root, comment: id };
    } catch (error) {
      if (error instanceof Refused && error.missing !== undefined) return undefined;
      throw error;
    }
  },

  async check(call) {
    const { team_id: team, project_id: project } = call.config;
    try {
      await ask(call, requests.check, { team, project: project ?? '', hasProject: project !== undefined });
      return delivered();
    } catch (error) {
      return outcomeOf(error, call.signal);
    }
  },
});

/** The same key gives the same id, in the shape of a UUID version 4, which is what Linear takes. */
function uuidOf(key: string): string {
  const hex = createHash('sha256').update(key).digest('hex');
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) % 4];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

/** What deserves an issue of its own: a page, a test, a job as long as it is not over and well. */
const opens = ({ reason, story }: Notice): boolean => (story ? !isOver(story) : isPage(reason) || reason === 'test');
const isOver = ({ phase, ok }: NonNullable<Notice['story']>): boolean => phase === 'end' && ok;

const issueOf = (ref: Ref | undefined): string | undefined => (typeof ref?.id === 'string' ? ref.id : undefined);

/** A repeat is refused by its id, and so has arrived. The links beside it are tried once: the description has them too. */
async function open(call: Call<Config>): Promise<Outcome> {
  const { input, attachments } = render(call.notice, call.config);
  const issue = await created(call, input);
  if (attachments.length === 0) return delivered(issue);
  const variables = attachments.map((link, at) => [`a${at}`, { ...link, issueId: issue.id }] as const);
  try {
    await ask(call, attachRequest(attachments.length), Object.fromEntries(variables));
    return delivered(issue);
  } catch {
    return delivered(issue, 'opened, but without links beside it');
  }
}

type Input = ReturnType<typeof render>['input'];

async function created(call: Call<Config>, input: Input): Promise<{ id: string; identifier?: string; url?: string }> {
  try {
    return (await ask(call, requests.openIssue, { input })).issueCreate.issue;
  } catch (error) {
    if (!(error instanceof Refused && error.duplicate)) throw error;
  }
  try {
    return (await ask(call, requests.findIssue, { id: input.id })).issue;
  } catch {
    return { id: input.id }; // it is there; only its number stays unknown
  }
}

async function follow(call: Call<Config>, issue: string): Promise<Outcome> {
  const { notice, config } = call;
  const note = await change(call, issue);
  const id = uuidOf(notice.delivery.key);
  const ref = { id: issue, comment: id };
  try {
    await ask(call, requests.comment, { input: { id, issueId: issue, body: render(notice, config).comment } });
    return delivered(ref, note);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.duplicate) return delivered(ref, note);
    if (error.missing !== 'Issue') throw error;
    return opens(notice) ? instead(call, issue) : delivered(undefined, 'the issue is gone: nothing was said');
  }
}

/** Somebody deleted the issue: one other takes its place, and what follows is said there. */
async function instead(call: Call<Config>, gone: string): Promise<Outcome> {
  const id = uuidOf(`${gone}/instead`);
  try {
    const { input } = render(call.notice, call.config);
    return delivered((await ask(call, requests.openIssue, { input: { ...input, id } })).issueCreate.issue);
  } catch (error) {
    if (error instanceof Refused && error.duplicate) return follow(call, id);
    throw error;
  }
}

/** The change first, for it can be repeated without harm; the note says why it was not done. */
async function change(call: Call<Config>, issue: string): Promise<string | undefined> {
  const { reason, story, incident } = call.notice;
  try {
    if (reason === 'resolved' || (story && isOver(story))) return await move(call, issue, 'completed');
    if (reason === 'fired_again') return await move(call, issue, 'unstarted');
    if (reason === 'severity_rose')
      await ask(call, requests.changeIssue, { id: issue, input: { priority: PRIORITIES[incident.severity] } });
    return undefined;
  } catch (error) {
    if (!(error instanceof Refused) || error.outcome.kind === 'retry') throw error;
    return `commented, but the issue was not changed: ${error.message}`;
  }
}

const CLOSED: ReadonlySet<string> = new Set(['completed', 'canceled', 'duplicate']);

/** By the type of the state, since every team names its own. Nothing is done where the issue is there already. */
async function move(call: Call<Config>, id: string, type: 'completed' | 'unstarted'): Promise<string | undefined> {
  const { state, team } = (await ask(call, requests.states, { id, types: [type] })).issue;
  if (CLOSED.has(state.type) === (type === 'completed')) return undefined;
  const [first] = team.states.nodes.toSorted((a, b) => a.position - b.position);
  if (!first) return `commented, but not moved: the team has no state of type ${type}`;
  await ask(call, requests.changeIssue, { id, input: { stateId: first.id } });
  return undefined;
}
