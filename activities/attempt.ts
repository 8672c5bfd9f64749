/** One attempt at a channel: the call it needs, its deadline, and an outcome for whatever happens. */
import { Context } from '@temporalio/activity';
import { type Channel, delivered, type Fetch, fromError, type Outcome, type Ref } from '../src/channels/channel.ts';
import type { Integration } from '../src/config/integrations.ts';
import { composeNotice } from '../src/core/compose.ts';
import { afterLost, type Doubt } from '../src/core/doubt.ts';
import { isPage, type Notice, type NoticeAnswer } from '../src/core/notice.ts';
import { withPrivacy } from '../src/core/privacy.ts';
import { ANSWERS, type AnswerAction } from '../src/core/spoken.ts';
import { factsOf, type LedgerFacts, type Told } from '../src/ledger/facts.ts';
import type { Deps } from './deps.ts';

/** A backup that is told after the usual 15 s has still heard before 30 (requirements K6). */
const FAILOVER_TIMEOUT_MS = 8_000;

/** What an operator reads of a failure; longer texts of vendors are cut. */
const DETAIL_MAX = 500;

/** Codes of vendors are a word or a number; what is longer is none. */
const CODE_MAX = 64;

/** How an attempt ended, with what is kept of it besides: the vendor's code or the HTTP status, and how long it took. */
export type Attempted = (Outcome | Dropped) & { code?: string; latency_ms: number; doubt?: Doubt };

/** Not made: an earlier one may have delivered, nobody can be asked, and a second message is not wanted. */
type Dropped = { kind: 'rejected'; reason: 'answer_lost'; detail: string };

/** A notice that could not be composed: of the same facts it fails alike at every attempt, until another version is there. */
interface Unsaid {
  unsaid: unknown;
}

/** The notice of an incident, from the ledger and the configured links. Throws where the ledger does not answer. */
export const noticeOf = async (deps: Deps, told: Told): Promise<Notice | Unsaid> =>
  noticeFrom(deps, await factsOf(deps.ledger, told));

/** The same of facts that are at hand. */
export function noticeFrom(deps: Deps, facts: LedgerFacts): Notice | Unsaid {
  try {
    return composed(deps, facts);
  } catch (error) {
    return { unsaid: error };
  }
}

function composed({ config, tokens, now }: Deps, { number, ...facts }: LedgerFacts): Notice {
  const links = [
    ...(config.links.grafana ? [{ title: 'Grafana', url: config.links.grafana }] : []),
    ...(config.links.prometheus ? [{ title: 'Prometheus', url: config.links.prometheus }] : []),
  ];
  const notice = composeNotice({
    ...facts,
    links,
    ...(config.publicUrl ? { public_url: config.publicUrl } : {}),
  });
  const actions = number === undefined || !tokens ? [] : answersTo(notice);
  if (actions.length === 0) return notice;
  const answers = actions.map((action): NoticeAnswer => {
    const token = tokens?.sign(number ?? 0, action, now()) ?? '';
    const url = config.publicUrl === undefined ? {} : { url: `${config.publicUrl}/a/${token}` };
    return { action, label: ANSWERS[action], token, ...url };
  });
  return { ...notice, answers };
}

/** What makes sense to answer: everything to who asks somebody to act, the end of it to who says that somebody has it. */
function answersTo({ reason, incident, story }: Notice): AnswerAction[] {
  if (story || incident.status === 'resolved') return [];
  if (isPage(reason)) return ['ack', 'snooze', 'resolve'];
  return reason === 'acknowledged' || reason === 'snoozed' ? ['resolve'] : [];
}

/**
 * Sends once, where an earlier attempt is in doubt only after asking the provider about it. Never throws for a channel, nor for
 * what cannot be said: that is a failed attempt like others, so that it is seen, and ends.
 */
export async function attempt(
  deps: Deps,
  integration: Integration,
  channel: Channel,
  notice: Notice | Unsaid,
  { root, pages, so_far, doubt }: { root?: Ref; pages?: Ref[]; so_far?: { ref?: Ref }; doubt?: Doubt } = {},
): Promise<Attempted> {
  if ('unsaid' in notice) {
    deps.log.error({ err: notice.unsaid, target: integration.name }, 'a notice could not be composed');
    deps.metrics.attempts.inc({ channel: channel.id, outcome: 'retry', reason: 'unforeseen' });
    return { ...unforeseen('the notice could not be composed', notice.unsaid), latency_ms: 0 };
  }
  const started = performance.now();
  const signal = AbortSignal.any([
    Context.current().cancellationSignal,
    AbortSignal.timeout(timeoutOf(integration, notice)),
  ]);
  let status: number | undefined;
  const fetch: Fetch = async (...request) => {
    const response = await deps.egress.fetch(...request);
    status = response.status;
    return response;
  };
  const call = {
    ...checkCall(deps, integration, signal),
    fetch,
    notice: withPrivacy(notice, integration.privacy ?? 'full'),
    print: deps.print,
    ...(root ? { root } : {}),
    ...(pages ? { pages } : {}),
    ...(so_far ? { so_far } : {}),
  };
  const found = doubt === undefined ? undefined : await find(channel, call);
  const latency_ms = () => Math.round(performance.now() - started);
  if (found === 'unknown' && doubt === 'lost' && isDropped(channel, integration, call)) {
    const detail = 'the answer to an earlier attempt was lost, and nobody can say whether it arrived';
    deps.log.info({ delivery: notice.delivery.key, target: integration.name, channel: channel.id }, 'not sent again');
    return { kind: 'rejected', reason: 'answer_lost', detail, latency_ms: latency_ms() };
  }
  const sending = typeof found === 'object' ? Promise.resolve(delivered(found)) : channel.send(call);
  const sent = await sending.catch((error: unknown): Outcome => {
    // A channel that throws has met what nobody foresaw: it is told to engineers and treated as the network would be.
    deps.log.error({ err: error, channel: channel.id, delivery: notice.delivery.key }, 'the channel threw');
    return isMistake(error)
      ? { ...unforeseen(`the channel ${channel.id} threw`, error), ambiguous: true }
      : fromError(error, signal);
  });
  const ms = latency_ms();
  const outcome = withoutSecrets(deps, sent);
  const reason = outcome.kind === 'delivered' ? 'none' : outcome.reason;
  deps.metrics.attempts.inc({ channel: channel.id, outcome: outcome.kind, reason });
  deps.log.info(
    {
      delivery: notice.delivery.key,
      target: integration.name,
      channel: channel.id,
      reason: notice.reason,
      outcome: outcome.kind,
      failure: reason,
      ...(outcome.kind === 'delivered' ? {} : { detail: outcome.detail }),
      ms,
    },
    outcome.kind === 'delivered' ? 'delivered' : 'not delivered',
  );
  const code = codeOf(deps, outcome, status);
  const left = doubtOf(outcome, status);
  return { ...outcome, latency_ms: ms, ...(code === undefined ? {} : { code }), ...(left ? { doubt: left } : {}) };
}

const unforeseen = (what: string, error: unknown): Extract<Outcome, { kind: 'retry' }> => ({
  kind: 'retry',
  reason: 'unforeseen',
  detail: `${what} (${error instanceof Error ? error.name : typeof error}); the log of the worker has all of it`,
});

/** What our own code throws where it is wrong. Those of fetch name a cause or have a code. */
const isMistake = (error: unknown): boolean =>
  (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) &&
  error.cause === undefined &&
  !('code' in error);

/** An answer that says 500 is one: core/doubt.ts. */
function doubtOf(outcome: Outcome, status: number | undefined): Doubt | undefined {
  if (outcome.kind !== 'retry' || outcome.ambiguous !== true) return undefined;
  return status === 500 ? 'unsure' : 'lost';
}

const isDropped = (channel: Channel, { on_ambiguous }: Integration, call: AnyCall): boolean =>
  !channel.recognises && !channel.edits?.(call) && afterLost(on_ambiguous, call.notice.incident.severity) === 'drop';

/** What details of channels begin with: `HTTP 503`, `SMTP 550`, `Slack: invalid_blocks`. */
const CODE_SAID = /^(?:(?:HTTP|SMTP) (\d{3})\b|[A-Z]\w*: ([a-z\d]+(?:_[a-z\d]+)+)\b)/;

/** The channel's own word, else the one its detail begins with (a vendor may say no with a 200), else the status of its last answer. */
function codeOf(deps: Deps, outcome: Outcome, status: number | undefined): string | undefined {
  if (outcome.kind === 'delivered') return status === undefined ? undefined : String(status);
  const [, number, word] = CODE_SAID.exec(outcome.detail) ?? [];
  const code = outcome.code ?? number ?? word ?? status?.toString();
  return code === undefined ? undefined : safe(deps, code).slice(0, CODE_MAX);
}

/** Asks the channel whether the credentials are good and the destination is there; nothing is sent. For channels that can tell. */
export async function checkOnce(
  deps: Deps,
  integration: Integration,
  channel: Pick<Channel, 'id' | 'check'>,
): Promise<Outcome> {
  const signal = AbortSignal.any([
    Context.current().cancellationSignal,
    AbortSignal.timeout(integration.patience.timeout_ms),
  ]);
  const asked = channel.check?.(checkCall(deps, integration, signal)) ?? Promise.resolve(delivered());
  const outcome = await asked.catch((error: unknown): Outcome => {
    deps.log.error({ err: error, channel: channel.id, target: integration.name }, 'the check of a channel threw');
    return fromError(error, signal);
  });
  return withoutSecrets(deps, outcome);
}

const checkCall = ({ egress: { fetch, resolve }, now }: Deps, { config }: Integration, signal: AbortSignal) => ({
  config: config as never,
  fetch,
  resolve,
  signal,
  now: now(),
});

const timeoutOf = ({ patience }: Integration, { reason }: Notice): number =>
  reason === 'failover' ? Math.min(patience.timeout_ms, FAILOVER_TIMEOUT_MS) : patience.timeout_ms;

type AnyCall = Parameters<Channel['send']>[0];

/** The message, where the provider has it. A look-up that cannot tell throws: then no more is known than without one. */
async function find(channel: Channel, call: AnyCall): Promise<Ref | 'absent' | 'unknown'> {
  if (!channel.find) return 'unknown';
  return channel.find(call).then(
    (ref) => ref ?? 'absent',
    () => 'unknown' as const,
  );
}

/** Details reach the ledger, the API and the log: no secret may be in them, whoever wrote them. */
function withoutSecrets(deps: Deps, outcome: Outcome): Outcome {
  if (outcome.kind !== 'delivered') return { ...outcome, detail: safe(deps, outcome.detail) };
  return outcome.note === undefined ? outcome : { ...outcome, note: safe(deps, outcome.note) };
}

const safe = ({ redactor }: Deps, text: string): string =>
  redactor.text(text).replace(/\s+/g, ' ').slice(0, DETAIL_MAX);
