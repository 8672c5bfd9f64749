/** A Jira Cloud of one project that refuses what Jira refuses: logins, fields, labels, documents, transitions. */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

const SUMMARY_MAX = 255;
const LABEL_MAX = 255;
const DOCUMENT_MAX = 32_767;

const { $schema: _, ...adf } = JSON.parse(
  readFileSync(new URL('../../samples/schemas/jira/adf.json', import.meta.url), 'utf8'),
) as Record<string, unknown>;
/** Whether it is a document of the Atlassian Document Format, by Atlassian's own schema. */
export const isDocument = new Ajv({ strict: false }).compile(adf);

type Part = Record<string, unknown>;

export interface JiraIssue {
  id: string;
  key: string;
  fields: Part;
  labels: string[];
  status: string;
  /** `internal`: hidden from a service project's customers. */
  comments: { id: string; text: string; internal: boolean }[];
  /** The description's text, a line for each part. */
  text: string;
}

export interface FakeJira {
  /** For `base_url`. */
  url: string;
  email: string;
  token: string;
  /** Issues as they are now. */
  issues: JiraIssue[];
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  /** What is created is found by a search only after `index()`, as long as this is true. */
  lagging: boolean;
  index(): void;
  close(): Promise<void>;
}

export interface JiraScreenField {
  name: string;
  required: boolean;
  hasDefaultValue?: boolean;
  allowedValues?: { id: string; name: string }[];
}

export interface FakeJiraOptions {
  project?: string;
  issueTypes?: string[];
  priorities?: string[];
  /** Custom fields on the screens, and what they hold. */
  customFields?: Record<string, 'text' | 'number' | 'choice' | 'choices' | 'document'>;
  /** Fields that are not on the create screen. */
  offScreen?: string[];
  permissions?: string[];
  /** Status → category. The first is where issues begin. */
  statuses?: Record<string, 'new' | 'indeterminate' | 'done'>;
  /** Fields of the screen on the way to a status, by field id. */
  screens?: Record<string, Record<string, JiraScreenField>>;
  /** How a wrong token is answered: as Jira mostly does, or as if nobody had logged in. */
  anonymous?: boolean;
}

class Refusal extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(`refused with ${reply.status}`);
    this.reply = reply;
  }
}
/** Jira names no field when it is about the document of the description or of a comment. */
const DOCUMENT_FAULTS = ['INVALID_INPUT', 'CONTENT_LIMIT_EXCEEDED'];
const refuse = (status: number, errors: Record<string, string>, errorMessages: string[] = []): never => {
  throw new Refusal({ status, json: { errorMessages, errors } });
};
const missing = (message: string): never => refuse(404, {}, [message]);

export async function startFakeJira(options: FakeJiraOptions = {}): Promise<FakeJira> {
  const {
    project = 'OPS',
    issueTypes = ['Incident', 'Task', 'Bug'],
    priorities = ['Highest', 'High', 'Medium', 'Low', 'Lowest'],
    customFields = {},
    offScreen = [],
    screens = {},
    permissions = ['CREATE_ISSUES', 'ADD_COMMENTS', 'EDIT_ISSUES', 'TRANSITION_ISSUES'],
    statuses = { 'To Do': 'new', 'In Progress': 'indeterminate', 'Won’t Do': 'done', Done: 'done' },
  } = options;
  const email = 'alerts@example.com';
  const token = 'ATATT3xFf-fake-token';
  const issues = createRecorder<JiraIssue>('Jira issues');
  const indexed = new Set<string>();
  let comments = 0;
  const state = { lagging: false };

  const categoryOf = (status: string) => ({
    name: status,
    statusCategory: { id: 1, key: statuses[status] ?? 'undefined', name: status },
  });
  const issueAt = (key: string): JiraIssue =>
    issues.items.find((issue) => issue.key === key || issue.id === key) ??
    missing('Issue does not exist or you do not have permission to see it.');

  const faultOf = (name: string, value: unknown): string | undefined => {
    if (offScreen.includes(name))
      return `Field '${name}' cannot be set. It is not on the appropriate screen, or unknown.`;
    switch (name) {
      case 'project':
        return (value as Part).key === project ? undefined : 'valid project is required';
      case 'issuetype':
        return issueTypes.includes(String((value as Part).name ?? issueTypes[Number((value as Part).id) - 1]))
          ? undefined
          : 'Specify a valid issue type';
      case 'summary':
        if (typeof value !== 'string' || value.trim() === '') return 'You must specify a summary of the issue.';
        if (/[\r\n]/.test(value)) return 'The summary is invalid because it contains newline characters.';
        return value.length > SUMMARY_MAX ? `Summary must be less than ${SUMMARY_MAX} characters.` : undefined;
      case 'description':
        return documentFault(value);
      case 'labels':
        return (value as string[]).map(labelFault).find((fault) => fault !== undefined);
      case 'priority':
        return priorities.includes(String((value as Part).name))
          ? undefined
          : `Priority name '${(value as Part).name}' is not valid`;
      default:
        return customFault(customFields[name], name, value);
    }
  };
  const check = (fields: Part): void => {
    const errors = Object.entries(fields).flatMap(([name, value]): [string, string][] => {
      const fault = faultOf(name, value);
      return fault === undefined ? [] : [[name, fault]];
    });
    const ofDocument = errors.find(([, fault]) => DOCUMENT_FAULTS.includes(fault));
    if (ofDocument) refuse(400, {}, [ofDocument[1]]);
    if (errors.length > 0) refuse(400, Object.fromEntries(errors));
  };

  const routes: [method: string, path: RegExp, (found: string[], body: Part, hit: Hit) => Reply][] = [
    ['GET', /^\/rest\/api\/3\/myself$/, () => ok({ accountId: '5b10', displayName: 'Alerts', active: true })],
    [
      'GET',
      /^\/rest\/api\/3\/project\/([^/]+)$/,
      ([key]) =>
        key === project
          ? ok({
              id: '1',
              key,
              name: 'Operations',
              issueTypes: issueTypes.map((name, at) => ({ id: String(at + 1), name, subtask: false })),
            })
          : missing(`No project could be found with key '${key}'.`),
    ],
    [
      'GET',
      /^\/rest\/api\/3\/mypermissions$/,
      (_found, _body, { query }) => {
        const asked = (query.get('permissions') ?? '').split(',');
        return ok({
          permissions: Object.fromEntries(
            asked.map((key) => [key, { key, havePermission: permissions.includes(key) }]),
          ),
        });
      },
    ],
    [
      'POST',
      /^\/rest\/api\/3\/issue$/,
      (_found, { fields = {} }) => {
        const given = fields as Part;
        for (const name of ['project', 'issuetype', 'summary']) {
          if (!(name in given)) refuse(400, { [name]: `${name} is required` });
        }
        if (!permissions.includes('CREATE_ISSUES')) refuse(403, {}, ['You do not have permission to create issues.']);
        check(given);
        const number = issues.items.length + 1;
        const issue: JiraIssue = {
          id: String(10_000 + number),
          key: `${project}-${number}`,
          fields: given,
          labels: (given.labels as string[] | undefined) ?? [],
          status: Object.keys(statuses)[0] ?? '',
          comments: [],
          text: textOf(given.description),
        };
        issues.add(issue);
        if (!state.lagging) indexed.add(issue.key);
        return { status: 201, json: { id: issue.id, key: issue.key, self: `https://x/rest/api/3/issue/${issue.id}` } };
      },
    ],
    [
      'GET',
      /^\/rest\/api\/3\/issue\/([^/]+)$/,
      ([key = '']) => {
        const issue = issueAt(key);
        return ok({ id: issue.id, key: issue.key, fields: { status: categoryOf(issue.status) } });
      },
    ],
    [
      'PUT',
      /^\/rest\/api\/3\/issue\/([^/]+)$/,
      ([key = ''], { fields = {}, update = {} }) => {
        const issue = issueAt(key);
        if (!permissions.includes('EDIT_ISSUES')) refuse(403, {}, ['You do not have permission to edit issues.']);
        check(fields as Part);
        Object.assign(issue.fields, fields);
        for (const change of ((update as Part).labels ?? []) as { add?: string; remove?: string }[]) {
          if (change.remove !== undefined) issue.labels = issue.labels.filter((label) => label !== change.remove);
          if (change.add !== undefined && !issue.labels.includes(change.add)) issue.labels.push(change.add);
        }
        issues.changed();
        return { status: 204 };
      },
    ],
    [
      'GET',
      /^\/rest\/api\/3\/issue\/([^/]+)\/transitions$/,
      ([key = ''], _body, { query }) => {
        const { status } = issueAt(key);
        const isWhole = query.get('expand') === 'transitions.fields';
        const others = Object.keys(statuses).filter((name) => name !== status);
        const transitions = others.map((name) => ({
          id: idOf(name),
          name: `To ${name}`,
          to: categoryOf(name),
          ...(isWhole ? { fields: screens[name] ?? {} } : {}),
        }));
        return ok({ transitions: permissions.includes('TRANSITION_ISSUES') ? transitions : [] });
      },
    ],
    [
      'POST',
      /^\/rest\/api\/3\/issue\/([^/]+)\/transitions$/,
      ([key = ''], { transition, fields = {} }) => {
        const issue = issueAt(key);
        const wanted = Object.keys(statuses).find((name) => idOf(name) === (transition as Part | undefined)?.id);
        if (wanted === undefined)
          return refuse(400, {}, ['It seems that you have tried to perform an illegal workflow operation.']);
        const screen = screens[wanted] ?? {};
        const errors = [
          ...Object.keys(fields as Part)
            .filter((name) => !Object.hasOwn(screen, name))
            .map((name) => [name, `Field '${name}' cannot be set. It is not on the appropriate screen, or unknown.`]),
          ...Object.entries(screen).flatMap(([id, { name, required, hasDefaultValue, allowedValues }]) => {
            const value = (fields as Part)[id] as Part | undefined;
            if (value === undefined) return required && !hasDefaultValue ? [[id, `${name} is required.`]] : [];
            const isKnown = allowedValues?.some((one) => one.id === value.id || one.name === value.name) ?? true;
            return isKnown ? [] : [[id, `Option id '${value.id}' is not valid`]];
          }),
        ];
        if (errors.length > 0) refuse(400, Object.fromEntries(errors));
        Object.assign(issue.fields, fields);
        issue.status = wanted;
        issues.changed();
        return { status: 204 };
      },
    ],
    [
      'GET',
      /^\/rest\/api\/3\/issue\/([^/]+)\/comment$/,
      ([key = ''], _body, { query }) => {
        const all = issueAt(key).comments.map(({ id, text }) => ({
          id,
          body: { type: 'doc', version: 1, content: [{ text }] },
        }));
        const ordered = query.get('orderBy') === '-created' ? all.toReversed() : all;
        return ok({ comments: ordered.slice(0, Number(query.get('maxResults') ?? 50)), total: all.length });
      },
    ],
    [
      'POST',
      /^\/rest\/api\/3\/issue\/([^/]+)\/comment$/,
      ([key = ''], { body, properties = [] }) => {
        const issue = issueAt(key);
        if (!permissions.includes('ADD_COMMENTS'))
          refuse(403, {}, ['You do not have the permission to comment on this issue.']);
        const fault = documentFault(body);
        if (fault !== undefined) refuse(400, {}, [fault]);
        comments++;
        const internal = (properties as Part[]).some(
          ({ key, value }) => key === 'sd.public.comment' && (value as Part).internal === true,
        );
        issue.comments.push({ id: String(20_000 + comments), text: textOf(body), internal });
        issues.changed();
        return { status: 201, json: { id: String(20_000 + comments), body } };
      },
    ],
    [
      'POST',
      /^\/rest\/api\/3\/search\/jql$/,
      (_found, { jql, maxResults = 50 }) => {
        const [, inProject, label] =
          /^project = "([^"]+)" AND labels = "([^"]+)" ORDER BY created ASC$/.exec(String(jql)) ?? [];
        if (inProject === undefined) return refuse(400, {}, ['Unbounded JQL queries are not allowed here.']);
        if (inProject !== project)
          refuse(400, {}, [`The value '${inProject}' does not exist for the field 'project'.`]);
        const found = issues.items.filter(({ key, labels }) => indexed.has(key) && labels.includes(label ?? ''));
        return ok({ issues: found.slice(0, Number(maxResults)).map(({ id, key }) => ({ id, key })), isLast: true });
      },
    ],
  ];

  const fake = await startHttpFake('Jira', (hit) => {
    const expected = `Basic ${Buffer.from(`${email}:${token}`).toString('base64')}`;
    if (hit.headers.authorization !== expected) {
      const headers = { 'x-seraph-loginreason': 'AUTHENTICATED_FAILED' };
      return options.anonymous
        ? { status: 404, headers, json: { errorMessages: ['No project could be found.'], errors: {} } }
        : { status: 401, headers, text: 'Client must be authenticated to access this resource.' };
    }
    try {
      for (const [method, path, answer] of routes) {
        const found = path.exec(hit.path);
        if (method !== hit.method || !found) continue;
        if (hit.method !== 'GET' && hit.headers['content-type'] !== 'application/json') return { status: 415 };
        return answer(found.slice(1), bodyOf(hit), hit);
      }
      return { status: 404, text: '<html>Oops, you’ve found a dead link.' };
    } catch (error) {
      if (error instanceof Refusal) return error.reply;
      throw error;
    }
  });
  return {
    ...fake,
    email,
    token,
    issues: issues.items,
    get lagging() {
      return state.lagging;
    },
    set lagging(value) {
      state.lagging = value;
    },
    index: () => {
      for (const { key } of issues.items) indexed.add(key);
    },
  };
}

const ok = (json: unknown): Reply => ({ status: 200, json });
const bodyOf = ({ raw }: Hit): Part => (raw.byteLength === 0 ? {} : (JSON.parse(raw.toString()) as Part));
/** As in a workflow: numbers that are not the statuses'. */
const idOf = (status: string): string =>
  String(11 + [...status].reduce((sum, letter) => sum + letter.charCodeAt(0), 0));

function labelFault(label: string): string | undefined {
  if (/\s/u.test(label)) return `The label '${label}' contains spaces which is invalid.`;
  return label.length > LABEL_MAX ? `The label '${label}' is longer than ${LABEL_MAX} characters.` : undefined;
}

function documentFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'Operation value must be an Atlassian Document';
  if (!isDocument(value)) return 'INVALID_INPUT';
  if (!JSON.stringify(value).isWellFormed()) return 'INVALID_INPUT';
  return JSON.stringify(value).length > DOCUMENT_MAX ? 'CONTENT_LIMIT_EXCEEDED' : undefined;
}

function customFault(kind: string | undefined, name: string, value: unknown): string | undefined {
  const isChoice = (one: unknown) => typeof (one as Part | null)?.value === 'string';
  switch (kind) {
    case 'text':
      return typeof value === 'string' && value.length <= 255 ? undefined : 'Operation value must be a string';
    case 'number':
      return typeof value === 'number' ? undefined : 'Operation value must be a number';
    case 'choice':
      return isChoice(value) ? undefined : 'Specify a valid value';
    case 'choices':
      return Array.isArray(value) && value.every(isChoice) ? undefined : 'Specify a valid value';
    case 'document':
      return documentFault(value);
    default:
      return `Field '${name}' cannot be set. It is not on the appropriate screen, or unknown.`;
  }
}

/** What a person reads in a document: a line for each paragraph, break and item. */
function textOf(node: unknown): string {
  const { type, text, content = [] } = (node ?? {}) as { type?: string; text?: string; content?: unknown[] };
  if (type === 'hardBreak') return '\n';
  const inner = content.map(textOf).join('');
  return `${text ?? ''}${inner}${['paragraph', 'heading', 'codeBlock'].includes(type ?? '') ? '\n' : ''}`;
}
