/**
 * Microsoft Teams by a workflow of Power Automate: each notice is an Adaptive Card of its own, for what a workflow has
 * posted cannot be edited or replied to from outside.
 * https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams-8ae491c7-0394-4861-ba59-055e33f75498
 */
import { z } from 'zod';
import type { Notice } from '../core/notice.ts';
import {
  defineChannel,
  delivered,
  type Failure,
  fromError,
  fromStatus,
  type Outcome,
  rejected,
  retry,
} from './channel.ts';
import { type TeamsMessage, teamsMessage } from './teams/card.ts';

/** A workflow answers nothing, or a short JSON with an error. */
const ANSWER_MAX_BYTES = 8 * 1_024;
/** Four a second: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook */
const RATE = { count: 4, per_ms: 1_000 };

/** Microsoft took these out of service in 2026: https://devblogs.microsoft.com/microsoft365dev/retirement-of-office-365-connectors-within-microsoft-teams */
const CONNECTOR = /(^|\.)webhook\.office\.com$|^outlook\.office(365)?\.com$/;
/** Where workflows are started; other clouds have other names, and a proxy any. */
const WORKFLOW = /\.(powerplatform\.com|logic\.azure\.com)$/;
const MAKE_ONE =
  'make a workflow instead: in Teams open the channel’s Workflows, take "Send webhook alerts to a channel", and copy the address it shows';

const config = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .superRefine((url, context) => {
      const wrong = problemWith(url);
      if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong, input: url });
    })
    .meta({
      title: 'Workflow URL',
      description: 'The whole address of the workflow’s trigger, up to the end of sig=…. Whoever has it can post.',
      writeOnly: true,
    }),
});
type Config = z.output<typeof config>;

/** Why this address cannot work, in words; undefined for what may. */
function problemWith(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (!parsed) return undefined; // Said already, by z.url.
  if (CONNECTOR.test(parsed.hostname)) return `is an Office 365 connector, which Microsoft has retired; ${MAKE_ONE}`;
  if (WORKFLOW.test(parsed.hostname) && !parsed.searchParams.get('sig')) {
    return 'has no sig=… at its end: set "Who can trigger the flow?" to Anyone, save, and copy the whole address again';
  }
  return undefined;
}

/** The JSON body. Pure; golden files in test/golden/teams. */
export const render = (notice: Notice, _config: Config): TeamsMessage => teamsMessage(notice);

/** Codes of Power Automate that say more than the status; seen in the field, for Microsoft lists them nowhere. */
const REFUSALS: Record<string, [Failure, string]> = {
  WorkflowTriggerIsNotEnabled: [
    'gone',
    'the workflow is turned off or deleted; turn it on, or give the address of another',
  ],
  WorkflowNotFound: ['gone', 'the workflow was deleted; make another and give its address'],
  TriggerInputSchemaMismatch: [
    'payload',
    'the workflow expects another body; take the template "Send webhook alerts to a channel"',
  ],
  DirectApiAuthorizationRequired: [
    'auth',
    'the workflow takes signed-in users only; set "Who can trigger the flow?" to Anyone and copy its new address',
  ],
  DirectApiInvalidAuthorizationScheme: ['auth', 'the address is not whole; copy it again up to the end of sig=…'],
  AuthorizationFailed: ['auth', 'the signature in the address is wrong; copy the whole address again'],
};

export const teams = defineChannel({
  id: 'teams',
  name: 'Microsoft Teams',
  setup:
    'In Teams open the channel’s Workflows, take "Send webhook alerts to a channel" and copy the address it shows. The workflow posts as its owner: give it a second one.',
  config,
  sample: {
    url: 'https://default0123456789.ab.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/0123456789abcdef/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=sample-not-a-real-one',
  },
  can: { thread: false, update: false, answer: true },
  patience: { timeout_ms: 10_000, max_attempts: 4, backoff_ms: 5_000 },
  rate: RATE,

  async send({ config, notice, fetch, signal, now }) {
    try {
      const response = await fetch(config.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body: JSON.stringify(render(notice, config)),
        redirect: 'manual',
        signal,
      });
      return outcomeOf(response, await beginningOf(response), now);
    } catch (error) {
      return fromError(error, signal);
    }
  },
});

/**
 * 202: the workflow will run; whether Teams then shows the card nobody is told. Another 2xx comes from a workflow with an
 * answer of its own.
 */
function outcomeOf({ status, headers }: Response, text: string, now: Date): Outcome {
  if (status >= 200 && status < 300) return accepted(status, text);
  const code = codeOf(text);
  const words = `Teams answered HTTP ${status}${code === undefined ? '' : `, ${code}`}`;
  if (status >= 300 && status < 400) return rejected('config', `${words}: the address redirects; copy it again`);
  const refusal = code !== undefined && Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined;
  const outcome = fromStatus(status, headers, now, words);
  if (outcome.kind !== 'rejected') return outcome;
  if (refusal) return rejected(refusal[0], `Teams: ${code}: ${refusal[1]}`);
  switch (outcome.reason) {
    case 'auth':
      return rejected('auth', `${words}: copy the workflow’s whole address again, and let Anyone trigger it`);
    case 'gone':
      return rejected('gone', `${words}: the workflow is not there any more; make another and give its address`);
    default:
      return outcome;
  }
}

/** A connector passed on what Teams said inside a 200, and so does a workflow that was made to. */
function accepted(status: number, text: string): Outcome {
  const [, inner] = /returned HTTP error (\d{3})/i.exec(text) ?? [];
  if (inner === '429') return retry('rate_limited', 'Teams: too many messages (said inside a 200)');
  if (inner !== undefined) return retry('server', `Teams answered HTTP ${inner} inside a ${status}`);
  if (/^\s*<(!doctype|html)/i.test(text))
    return retry('server', `answered ${status}, but not in the way a workflow does`);
  return delivered();
}

/** The word in `{ "error": { "code": … } }`; undefined for anything else. */
function codeOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown } };
    return typeof error?.code === 'string' && /^\w{1,60}$/.test(error.code) ? error.code : undefined;
  } catch {
    return undefined;
  }
}

/** The first bytes of the body as text; the rest is not read. */
async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size >= ANSWER_MAX_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, ANSWER_MAX_BYTES).toString();
}
