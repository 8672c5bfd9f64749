/** One attempt at a channel: the call it needs, its deadline, and an outcome for whatever happens. */
import { Context } from '@temporalio/activity';
import {
  type Channel,
  delivered,
  type Fetch,
  fromError,
  type Outcome,
  type Ref,
  rejected,
} from '../src/channels/channel.ts';
import type { Integration } from '../src/config/integrations.ts';
import { composeNotice } from '../src/core/compose.ts';
import { isPage, type Notice, type NoticeAnswer } from '../src/core/notice.ts';
import { ANSWERS, type AnswerAction } from '../src/core/spoken.ts';
import { factsOf, type Told } from '../src/ledger/facts.ts';
import type { Deps } from './deps.ts';

/** A backup that is told after the usual 15 s has still heard before 30 (requirements K6). */
const FAILOVER_TIMEOUT_MS = 8_000;

/** What an operator reads of a failure; longer texts of vendors are cut. */
const DETAIL_MAX = 500;

/** Codes of vendors are a word or a number; what is longer is none. */
const CODE_MAX = 64;

/** How an attempt ended, with what is kept of it besides: the vendor's code or the HTTP status, and how long it took. */
export type Attempted = Outcome & { code?: string; latency_ms: number };

/** The notice of an incident, from the ledger and the configured links. */
export async function noticeOf({ ledger, config, tokens, now }: Deps, told: Told): Promise<Notice> {
  const links = [
    ...(config.links.grafana ? [{ title: 'Grafana', url: config.links.grafana }] : []),
    ...(config.links.prometheus ? [{ title: 'Prometheus', url: config.links.prometheus }] : []),
  ];
  const { number, ...facts } = await factsOf(ledger, told);
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

/** Sends once, or with `lost` first asks the provider whether an attempt without an answer arrived. Never throws for a channel. */
export async function attempt(
  deps: Deps,
  integration: Integration,
  channel: Channel,
  notice: Notice,
  root?: Ref,
  lost = false,
  so_far?: { ref?: Ref },
): Promise<Attempted> {
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
    notice,
    print: deps.print,
    ...(root ? { root } : {}),
    ...(so_far ? { so_far } : {}),
  };
  const sent = await send(channel, call, lost, integration).catch((error: unknown): Outcome => {
    // A channel that throws has met what nobody foresaw: it is told to engineers and treated as the network would be.
    deps.log.error({ err: error, channel: channel.id, delivery: notice.delivery.key }, 'the channel threw');
    return fromError(error, signal);
  });
  const latency_ms = Math.round(performance.now() - started);
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
      ms: latency_ms,
    },
    outcome.kind === 'delivered' ? 'delivered' : 'not delivered',
  );
  const code = codeOf(deps, outcome, status);
  return { ...outcome, latency_ms, ...(code === undefined ? {} : { code }) };
}

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
export async function checkOnce(deps: Deps, integration: Integration, channel: Channel): Promise<Outcome> {
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

async function send(channel: Channel, call: AnyCall, lost: boolean, { on_ambiguous }: Integration): Promise<Outcome> {
  if (!lost) return channel.send(call);
  // A look-up that cannot tell throws: then nothing is known, as for channels that have none.
  const found = channel.find
    ? await channel.find(call).then(
        (ref) => ref ?? 'absent',
        () => 'unknown' as const,
      )
    : 'unknown';
  if (typeof found === 'object') return { kind: 'delivered', ref: found };
  if (found === 'unknown' && on_ambiguous === 'drop')
    return rejected('timeout', 'an attempt ended without an answer, and on_ambiguous is drop');
  return channel.send(call);
}

/** Details reach the ledger, the API and the log: no secret may be in them, whoever wrote them. */
function withoutSecrets(deps: Deps, outcome: Outcome): Outcome {
  if (outcome.kind !== 'delivered') return { ...outcome, detail: safe(deps, outcome.detail) };
  return outcome.note === undefined ? outcome : { ...outcome, note: safe(deps, outcome.note) };
}

const safe = ({ redactor }: Deps, text: string): string =>
  redactor.text(text).replace(/\s+/g, ' ').slice(0, DETAIL_MAX);
