/** A workflow of Power Automate before Teams: it takes nearly everything, and its run fails where Teams would refuse the card. */
import { readFileSync } from 'node:fs';
import { Ajv, type AnySchemaObject } from 'ajv';
import formats from 'ajv-formats';
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
    const misfit = misfitOf(body, card);
    // A workflow would take it, and its run would fail where no test looks: so it is refused here.
    if (misfit !== undefined) return refused(400, 'TriggerInputSchemaMismatch', misfit);
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

/** Microsoft's own schema of a card, reduced to what Tocsin's cards have: test/samples/schemas/teams. */
const PUBLISHED = JSON.parse(
  readFileSync(new URL('../../samples/schemas/teams/adaptive-card-1.4.json', import.meta.url), 'utf8'),
) as AnySchemaObject;
const ajv = new Ajv({ strict: false });
formats.default(ajv);
const isCard = ajv.compile(PUBLISHED);

const list = { type: 'array', minItems: 1 };
const text = { type: 'string', minLength: 1 };
/** What the schema does not say: the envelope, what may not be empty, and what Teams shows of a workflow's card. */
const isMessage = ajv.compile({
  type: 'object',
  required: ['type', 'attachments'],
  properties: {
    type: { const: 'message' },
    attachments: {
      ...list,
      maxItems: 1,
      items: {
        type: 'object',
        required: ['contentType', 'content'],
        additionalProperties: false,
        properties: {
          contentType: { const: 'application/vnd.microsoft.card.adaptive' },
          contentUrl: { const: null },
          content: {
            type: 'object',
            required: ['type', 'version', 'body'],
            properties: {
              $schema: { const: 'http://adaptivecards.io/schemas/adaptive-card.json' },
              version: { const: '1.4' },
              fallbackText: text,
              body: {
                ...list,
                items: { properties: { items: list, inlines: { ...list, items: { properties: { text } } } } },
              },
              // A workflow's card has no bot behind it: Action.Submit and Action.Execute lead nowhere.
              actions: {
                ...list,
                maxItems: ACTIONS_MAX,
                items: { required: ['title'], properties: { title: text, url: { pattern: '^(https?|mailto):' } } },
              },
            },
          },
        },
      },
    },
  },
});
const hasFullWidth = ajv.compile({
  type: 'object',
  additionalProperties: false,
  properties: { width: { const: 'Full' } },
});

/** Why this is no message with a card that Teams would show; undefined for one that is. */
function misfitOf(body: Part, { msteams = {}, ...card }: Part): string | undefined {
  if (!isMessage(body)) return ajv.errorsText(isMessage.errors, { dataVar: 'message' });
  if (!isCard(card)) return ajv.errorsText(isCard.errors, { dataVar: 'card' });
  // Teams' own addition, which the schema of Adaptive Cards does not know.
  return hasFullWidth(msteams) ? undefined : ajv.errorsText(hasFullWidth.errors, { dataVar: 'msteams' });
}

/** What lets the workflow's run fail after it has been accepted. */
function faultsOf(body: Part): string[] {
  const faults: string[] = [];
  const written = JSON.stringify(body);
  for (const encoding of ['utf8', 'utf16le'] as const) {
    const size = Buffer.byteLength(written, encoding);
    if (size > MESSAGE_MAX_BYTES) faults.push(`Request Entity too large: ${size} bytes in ${encoding}`);
  }
  if (!written.isWellFormed()) faults.push('no Unicode');
  return faults;
}
