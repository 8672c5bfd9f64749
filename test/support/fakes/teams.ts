/** A workflow of Power Automate before Teams: it takes nearly everything, and its run fails where Teams would refuse the card. */
import { Ajv } from 'ajv';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

/** https://learn.microsoft.com/connectors/teams/#known-issues-and-limitations-with-actions: about 28 KB with all its markup. */
const MESSAGE_MAX_BYTES = 28 * 1_024;
const ACTIONS_MAX = 6;

type Part = Record<string, unknown>;

export interface TeamsRun {
  body: Part;
  card: Part;
  /** Why Teams would not show it; empty when it does. */
  faults: string[];
  /** Everything a person could read in it, a line each. */
  all: string;
}

export interface FakeTeams {
  /** For `url`: the whole address of the trigger. */
  workflowUrl: string;
  /** One for each request that was accepted. */
  runs: TeamsRun[];
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  /** What the workflow's owner does with it. */
  turn(state: 'on' | 'off' | 'deleted' | 'tenant only'): void;
  close(): Promise<void>;
}

export async function startFakeTeams(): Promise<FakeTeams> {
  const runs = createRecorder<TeamsRun>('Teams runs');
  let state = 'on';
  const fake = await startHttpFake('Teams', (hit): Reply => {
    if (!hit.path.endsWith('/triggers/manual/paths/invoke') || hit.method !== 'POST')
      return refused(404, 'ResourceNotFound', 'The requested resource could not be found.');
    if (state === 'deleted') return refused(404, 'WorkflowNotFound', 'The workflow could not be found.');
    if (state === 'off')
      return refused(
        400,
        'WorkflowTriggerIsNotEnabled',
        "Could not execute workflow trigger 'manual' with state 'Disabled'.",
      );
    const sig = hit.query.get('sig');
    if (state === 'tenant only' || sig === null)
      return refused(
        401,
        'DirectApiAuthorizationRequired',
        'The request must be authenticated only by OAuth authorization scheme.',
      );
    if (sig !== 'fake-signature')
      return refused(401, 'AuthorizationFailed', 'The authentication credentials are not valid.');
    const body = jsonOf(hit.raw.toString());
    if (!body || !/^application\/json\b/.test(hit.headers['content-type'] ?? ''))
      return refused(400, 'InvalidRequestContent', 'The request content is not valid JSON.');
    if (body.type !== 'message' || !Array.isArray(body.attachments))
      return refused(
        400,
        'TriggerInputSchemaMismatch',
        'The input body for trigger manual did not match its schema definition.',
      );
    const card = ((body.attachments as Part[])[0]?.content ?? {}) as Part;
    runs.add({ body, card, faults: faultsOf(body), all: textsOf(card).join('\n') });
    return { status: 202 };
  });
  return {
    workflowUrl: `${fake.url}/powerautomate/automations/direct/workflows/1/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=fake-signature`,
    runs: runs.items,
    requests: fake.requests,
    script: fake.script,
    turn: (next) => {
      state = next;
    },
    close: fake.close,
  };
}

const refused = (status: number, code: string, message: string): Reply => ({
  status,
  json: { error: { code, message } },
});

function jsonOf(text: string): Part | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Part) : undefined;
  } catch {
    return undefined;
  }
}

/** Every text and address anywhere inside. */
function textsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === 'string' ? (['text', 'title', 'url'].includes(name) ? [inner] : []) : textsOf(inner),
  );
}

const text = { type: 'string', minLength: 1 };
const strict = (type: string, required: string[], properties: Part): Part => ({
  type: 'object',
  required: ['type', ...required],
  additionalProperties: false,
  properties: { type: { const: type }, ...properties },
});
const element = { spacing: { enum: ['Default', 'None', 'Small', 'Medium', 'Large', 'ExtraLarge', 'Padding'] } };
const one = (...of: Part[]): Part => ({
  type: 'object',
  discriminator: { propertyName: 'type' },
  required: ['type'],
  oneOf: of,
});

/**
 * The elements of Adaptive Cards that Tocsin uses, as https://adaptivecards.io/explorer describes them at version 1.4: an
 * element or a field that is not here would have to be looked up, and added, first.
 */
const RICH_TEXT = strict('RichTextBlock', ['inlines'], {
  ...element,
  inlines: {
    type: 'array',
    minItems: 1,
    items: strict('TextRun', ['text'], {
      text,
      weight: { enum: ['Default', 'Lighter', 'Bolder'] },
      size: { enum: ['Default', 'Small', 'Medium', 'Large', 'ExtraLarge'] },
      isSubtle: { type: 'boolean' },
    }),
  },
});
const CARD = strict('AdaptiveCard', ['version', 'body'], {
  $schema: { const: 'http://adaptivecards.io/schemas/adaptive-card.json' },
  version: { const: '1.4' },
  fallbackText: text,
  body: {
    type: 'array',
    minItems: 1,
    items: one(
      RICH_TEXT,
      strict('Container', ['items'], {
        ...element,
        style: { enum: ['default', 'emphasis', 'good', 'attention', 'warning', 'accent'] },
        bleed: { type: 'boolean' },
        items: { type: 'array', minItems: 1, items: RICH_TEXT },
      }),
    ),
  },
  // A workflow's card has no bot behind it: Action.Submit and Action.Execute lead nowhere.
  actions: {
    type: 'array',
    minItems: 1,
    maxItems: ACTIONS_MAX,
    items: strict('Action.OpenUrl', ['title', 'url'], {
      title: text,
      url: { type: 'string', pattern: '^(https?|mailto):' },
    }),
  },
  msteams: { type: 'object', additionalProperties: false, properties: { width: { const: 'Full' } } },
});
const isMessage = new Ajv({ allErrors: true, discriminator: true }).compile({
  type: 'object',
  required: ['type', 'attachments'],
  properties: {
    type: { const: 'message' },
    attachments: {
      type: 'array',
      minItems: 1,
      maxItems: 1,
      items: {
        type: 'object',
        required: ['contentType', 'content'],
        additionalProperties: false,
        properties: {
          contentType: { const: 'application/vnd.microsoft.card.adaptive' },
          contentUrl: { const: null },
          content: CARD,
        },
      },
    },
  },
});

/** What lets the workflow's run fail after it has been accepted. */
function faultsOf(body: Part): string[] {
  const faults = isMessage(body)
    ? []
    : (isMessage.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  const written = JSON.stringify(body);
  for (const encoding of ['utf8', 'utf16le'] as const) {
    const size = Buffer.byteLength(written, encoding);
    if (size > MESSAGE_MAX_BYTES) faults.push(`Request Entity too large: ${size} bytes in ${encoding}`);
  }
  if (!written.isWellFormed()) faults.push('no Unicode');
  return faults;
}
