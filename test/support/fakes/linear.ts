/** A Linear of one workspace: every request is run against Linear's own schema, and refused as Linear refuses. */
import { readFileSync } from 'node:fs';
import { buildSchema, execute, GraphQLError, type GraphQLSchema, parse, validate } from 'graphql';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

/** Reduced: see test/samples/schemas/linear. */
export const linearSchema: GraphQLSchema = buildSchema(
  readFileSync(new URL('../../samples/schemas/linear/schema.graphql', import.meta.url), 'utf8'),
);

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TITLE_MAX = 255;

interface State {
  id: string;
  name: string;
  type: string;
  position: number;
}
type Input = Record<string, unknown>;

export interface LinearIssue {
  id: string;
  identifier: string;
  url: string;
  input: Input;
  priority: number;
  state: State;
  comments: { id: string; body: string }[];
  attachments: { title: string; url: string }[];
}

export interface FakeLinear {
  /** For `api_url`. */
  url: string;
  apiKey: string;
  teamId: string;
  projectId: string;
  labelId: string;
  /** Issues as they are now. */
  issues: LinearIssue[];
  requests: Recorder<Hit>;
  /** The names of the operations that were asked for, in order. */
  operations(): string[];
  script(answers: Answer[]): void;
  close(): Promise<void>;
}

const STATES: State[] = [
  { id: 's-backlog', name: 'Backlog', type: 'backlog', position: 0 },
  { id: 's-todo', name: 'Todo', type: 'unstarted', position: 1 },
  { id: 's-doing', name: 'In Progress', type: 'started', position: 2 },
  { id: 's-released', name: 'Released', type: 'completed', position: 4 },
  { id: 's-done', name: 'Done', type: 'completed', position: 3 },
  { id: 's-canceled', name: 'Canceled', type: 'canceled', position: 5 },
];

const refused = (message: string, type: string, code: string, statusCode: number, presentable = message) =>
  new GraphQLError(message, {
    extensions: { type, code, statusCode, userError: true, userPresentableMessage: presentable },
  });
const invalid = (message: string, presentable?: string) =>
  refused(message, 'invalid input', 'INPUT_ERROR', 400, presentable);
const missing = (entity: string) => invalid(`Entity not found: ${entity}`, `Could not find referenced ${entity}.`);
const conflict = (entity: string, id: string) =>
  invalid(`conflict on insert of ${entity}`, `Entity ${entity} with id ${id} already exists.`);

export async function startFakeLinear(options: { states?: State[] } = {}): Promise<FakeLinear> {
  const states = options.states ?? STATES;
  const apiKey = 'lin_api_fake_key';
  const teamId = '9cfb482a-81e3-4154-b5b9-2c805e70a02d';
  const projectId = '0f3c8b52-7c39-4c1a-9f0d-52a3c6f0b4d1';
  const labelId = '4b2b5b6e-7f3e-4bb0-a1c7-6c2d6f3d0a11';
  const issues = createRecorder<LinearIssue>('Linear issues');
  const operations: string[] = [];

  const issueAt = (id: unknown): LinearIssue => {
    const found = issues.items.find((issue) => issue.id === id || issue.identifier === id);
    if (!found) throw missing('Issue');
    return found;
  };
  const team = {
    id: teamId,
    key: 'OPS',
    name: 'Operations',
    states: ({ filter }: { filter?: { type?: { in?: string[] } } }) => ({
      nodes: states.filter(({ type }) => filter?.type?.in?.includes(type) ?? true),
    }),
  };
  const checkText = (value: unknown, name: string) => {
    if (typeof value !== 'string' || value.trim() === '')
      throw invalid('Argument Validation Error', `${name} should not be empty`);
    if (!value.isWellFormed()) throw invalid('Argument Validation Error', `${name} is no text`);
  };
  const checkId = (id: unknown) => {
    if (!UUID_V4.test(String(id))) throw invalid('Argument Validation Error', 'id must be a UUID');
  };
  const checkPriority = (priority: unknown) => {
    if (priority !== undefined && ![0, 1, 2, 3, 4].includes(Number(priority)))
      throw invalid('Argument Validation Error', 'priority must not be greater than 4');
  };

  const root = {
    viewer: { id: 'u-1', name: 'Alerts', active: true },
    team: ({ id }: { id: string }) => {
      if (id !== teamId) throw missing('Team');
      return team;
    },
    project: ({ id }: { id: string }) => {
      if (id !== projectId) throw missing('Project');
      return { id, name: 'Reliability' };
    },
    issue: ({ id }: { id: string }) => ({ ...issueAt(id), team }),
    comment: ({ id }: { id: string }) => {
      const found = issues.items.flatMap(({ comments }) => comments).find((comment) => comment.id === id);
      if (!found) throw missing('Comment');
      return found;
    },
    issueCreate: ({ input }: { input: Input }) => {
      checkId(input.id);
      checkText(input.title, 'title');
      checkText(input.description, 'description');
      checkPriority(input.priority);
      if (String(input.title).length > TITLE_MAX) throw invalid('Argument Validation Error', 'title is too long');
      if (input.teamId !== teamId) throw missing('Team');
      if (input.projectId !== undefined && input.projectId !== projectId) throw missing('Project');
      for (const label of (input.labelIds as string[] | undefined) ?? []) {
        if (label !== labelId) throw missing('IssueLabel');
      }
      const id = String(input.id);
      if (issues.items.some((issue) => issue.id === id)) throw conflict('Issue', id);
      const number = issues.items.length + 1;
      const issue: LinearIssue = {
        id,
        identifier: `OPS-${number}`,
        url: `https://linear.app/acme/issue/OPS-${number}`,
        input,
        priority: Number(input.priority ?? 0),
        state: states[0] as State,
        comments: [],
        attachments: [],
      };
      issues.add(issue);
      return { success: true, issue };
    },
    issueUpdate: ({ id, input }: { id: string; input: Input }) => {
      const issue = issueAt(id);
      checkPriority(input.priority);
      const state = states.find((one) => one.id === input.stateId);
      if (input.stateId !== undefined && !state) throw missing('WorkflowState');
      if (state) issue.state = state;
      if (input.priority !== undefined) issue.priority = Number(input.priority);
      issues.changed();
      return { success: true, issue };
    },
    commentCreate: ({ input }: { input: Input }) => {
      checkId(input.id);
      checkText(input.body, 'body');
      const issue = issueAt(input.issueId);
      const id = String(input.id);
      if (issues.items.some(({ comments }) => comments.some((comment) => comment.id === id)))
        throw conflict('Comment', id);
      const comment = { id, body: String(input.body) };
      issue.comments.push(comment);
      issues.changed();
      return { success: true, comment };
    },
    attachmentCreate: ({ input }: { input: Input }) => {
      const issue = issueAt(input.issueId);
      checkText(input.title, 'title');
      if (!URL.canParse(String(input.url))) throw invalid('Argument Validation Error', 'url must be a URL address');
      const attachment = { id: `a-${input.url}`, title: String(input.title), url: String(input.url) };
      issue.attachments = [...issue.attachments.filter(({ url }) => url !== attachment.url), attachment];
      issues.changed();
      return { success: true, attachment };
    },
  };

  const fake = await startHttpFake('Linear', (hit) => {
    if (hit.method !== 'POST' || hit.path !== '/graphql') return { status: 404, text: 'Not Found' };
    if (hit.headers.authorization !== apiKey) {
      const error = refused(
        'Authentication required, not authenticated',
        'authentication error',
        'AUTHENTICATION_ERROR',
        401,
      );
      return { status: 401, json: { errors: [error] } };
    }
    const { query, variables } = JSON.parse(hit.raw.toString()) as {
      query: string;
      variables?: Record<string, unknown>;
    };
    const document = parse(query);
    const name = document.definitions.flatMap((one) => ('name' in one && one.name ? [one.name.value] : []))[0];
    operations.push(name ?? '');
    const faults = validate(linearSchema, document);
    if (faults.length > 0) {
      const errors = faults.map(({ message }) => refused(message, 'graphql error', 'GRAPHQL_VALIDATION_FAILED', 400));
      return { status: 400, json: { errors } };
    }
    const result = execute({ schema: linearSchema, document, rootValue: root, variableValues: variables });
    if (result instanceof Promise) throw new Error('nothing here is asynchronous');
    return { status: statusOf(result.errors), json: result };
  });
  return {
    ...fake,
    url: `${fake.url}/graphql`,
    apiKey,
    teamId,
    projectId,
    labelId,
    issues: issues.items,
    operations: () => operations,
  };
}

/** As recorded: a second issue of one id is refused with 400, a second comment with 200 and the same words. */
const statusOf = (errors: readonly GraphQLError[] = []): Reply['status'] =>
  errors.some(({ message }) => message === 'conflict on insert of Issue') ? 400 : 200;
