/** deliver: one round of attempts of one notice to one target; the only place where an outcome becomes an ApplicationFailure. */
import { type ApplicationFailure, activityInfo, log as activityLog } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import type { Channel } from '../src/channels/channel.ts';
import type { Integration } from '../src/config/integrations.ts';
import { isWorse } from '../src/core/event.ts';
import type { Incident, Outgoing } from '../src/core/incident.ts';
import { isPage } from '../src/core/notice.ts';
import { withPrivacy } from '../src/core/privacy.ts';
import { type Ended, isGivenUp, isLastRound, isTooOld, roundWait } from '../src/core/rounds.ts';
import { isAnyOff, switchedOff } from '../src/core/toggles.ts';
import { type AttemptEnd, beginAttempt, hasBegun, type NotBegun, recordAttempt } from '../src/ledger/deliveries.ts';
import { toldBy, typesOf } from '../src/ledger/facts.ts';
import { noteFailure } from '../src/ledger/health.ts';
import { takeTurn } from '../src/ledger/rates.ts';
import { announce } from '../src/ledger/steps.ts';
import { awaitTurn, buryDelivery, skipDelivery } from '../src/ledger/unsent.ts';
import { createAside } from './aside.ts';
import { type Attempted, attempt, noticeFrom, noticeOf } from './attempt.ts';
import { createBulkhead } from './bulkhead.ts';
import type { Deps } from './deps.ts';
import { failureOf } from './failure.ts';

export interface DeliverInput {
  incident: string;
  target: string;
  out: Outgoing;
  /** The workflow's state, kept by the ledger with the attempt. */
  snapshot: Incident;
  /** When the incident next needs its workflow once this is done, in epoch milliseconds. */
  due?: number;
}

/** `unrecorded`: it ended so, and the ledger could not be told; the workflow tells it. */
export type Delivered = Ended | { outcome: 'unrecorded'; ended: Ended; end: AttemptEnd };

/** A round is over when another attempt would not fit into this (design.md section 2, rule 8). */
const ROUND_MS = 5 * 60_000;
/** How long the rounds of a failing delivery go on: a page a day, a webhook 75 hours (Standard Webhooks' schedule). */
const GIVE_UP_MS = 24 * 3_600_000;
const GIVE_UP_WEBHOOK_MS = 75 * 3_600_000;
/** Tries of the record itself inside the activity, before the workflow takes over. */
const RECORD_TRIES = 3;
const RECORD_WAIT_MS = 200;
/** What an attempt may take where the incident's policy says nothing: core/policy.ts. */
const TIMEOUT_MS = 10_000;
/** An attempt that comes this much before its time is put off to it; less is only clocks that differ. */
const EARLY_MS = 500;

export function createDeliver(deps: Deps, aside = createAside(), bulkhead = createBulkhead()) {
  // A Temporal that was killed hands out its latest tasks once more, a retry that still has to wait among them (seen).
  // Once for each: where Temporal's clock runs ahead of ours, every retry looks early.
  const putOff = new Set<string>();

  return async function deliver(input: DeliverInput): Promise<Delivered> {
    const { incident, target, out, snapshot } = input;
    const found = await deps.integrationNamed(target);
    const channel = 'missing' in found ? undefined : deps.channelOf(found.type);
    const begin = { incident, target, channel: channel?.id ?? '', out };
    if ('missing' in found || !channel) {
      const why = 'missing' in found ? found.missing : `${target} is of type ${found.type}, which takes no messages`;
      return before(await buryDelivery(deps.ledger, begin, 'config', why));
    }
    // The activity ends when the policy of the incident says; a timeout that was raised since must not outlast it.
    const timeout_ms = Math.min(
      found.patience.timeout_ms,
      snapshot.policy.patience?.[target]?.timeout_ms ?? TIMEOUT_MS,
    );
    const integration = { ...found, patience: { ...found.patience, timeout_ms } };
    const skipped = whySkipped(integration, input) ?? (await whyUnwanted(integration, channel, input));
    if (skipped) {
      await skipDelivery(deps.ledger, begin, skipped);
      deps.metrics.deliveries.inc({ channel: channel.id, outcome: 'skipped' });
      return { outcome: 'skipped' };
    }
    const { attempt: nth, currentAttemptScheduledTimestampMs } = activityInfo();
    const early_ms = currentAttemptScheduledTimestampMs - deps.now().getTime();
    // Only a retry has a time it can come before, and no retry is later than the end of its round: what is, is our clock
    // that has been set back, and a page must not wait for that.
    if (nth !== 1 && early_ms > EARLY_MS && early_ms < ROUND_MS && !putOff.has(out.key)) {
      putOff.add(out.key);
      throw again('early', `the next attempt is due in ${early_ms} ms`, early_ms);
    }
    putOff.delete(out.key);
    const over = await whyOver(input, integration);
    if (over) {
      deps.metrics.deliveries.inc({ channel: channel.id, outcome: 'dead' });
      return before(await buryDelivery(deps.ledger, begin, 'timeout', over));
    }
    const wait_ms = await takeTurn(deps.ledger, integration);
    if (wait_ms > 0) {
      // A turn that comes no sooner than the next round is left to that: between rounds a newer notice overtakes this one.
      if (wait_ms > roundWait(out.round + 1)) {
        await awaitTurn(deps.ledger, begin, wait_ms);
        return { outcome: 'failed', dead: false, after_ms: wait_ms };
      }
      if (nth === 1) await awaitTurn(deps.ledger, begin);
      throw again('rate_limited', `${target} may be told again in ${wait_ms} ms (rate)`, wait_ms);
    }

    const crowded_ms = bulkhead.waitFor(target);
    if (crowded_ms > 0) {
      if (nth === 1) await awaitTurn(deps.ledger, begin);
      throw again('crowded', `${target} answers slowly, and enough attempts wait for it already`, crowded_ms);
    }
    const begun = await beginAttempt(deps.ledger, { ...begin, snapshot });
    const isDisabled = begun.outcome === 'dead' && begun.because === 'disabled';
    // Once for each, however often it is begun.
    if (out.overtook && (isDisabled || (begun.outcome === 'go' && begun.attempts === 1)))
      deps.metrics.deliveries.inc({ channel: channel.id, outcome: 'superseded' }, out.overtook.length);
    if (isDisabled) {
      deps.metrics.deliveries.inc({ channel: channel.id, outcome: 'dead' });
      deps.log.warn(
        { delivery: out.key, target, failure: 'disabled' },
        'delivery is dead: its integration is disabled',
      );
    }
    if (begun.outcome !== 'go') return before(begun);
    announce('attempt.begun');
    if (begun.attempts === 1) deps.metrics.notices.inc({ reason: out.reason });
    const { root, pages, doubt, so_far, facts } = begun;
    const notice = noticeFrom(deps, facts);
    const outcome = await bulkhead.during(target, () =>
      attempt(deps, integration, channel, notice, {
        so_far: so_far ? { ref: so_far } : {},
        ...(root ? { root } : {}),
        ...(pages ? { pages } : {}),
        ...(doubt ? { doubt } : {}),
      }),
    );
    announce('attempt.sent');
    return afterwards(input, integration, channel, outcome, begun);
  };

  /** What of its settings keeps it from being told, in words: the place a page would go to, or the switches of all its types. */
  async function whyUnwanted(
    { events, config, privacy = 'full' }: Integration,
    channel: Channel,
    input: DeliverInput,
  ): Promise<string | undefined> {
    const unwanted = isAsked(input, false) ? channel.unwanted?.(config as never) : undefined;
    if (unwanted) {
      const notice = await noticeOf(deps, toldBy(input.incident, input.out, 0));
      // What cannot be composed is the attempt's to say.
      const because = 'unsaid' in notice ? undefined : unwanted(withPrivacy(notice, privacy));
      if (because !== undefined) return because;
    }
    if (!events || !isAnyOff(events) || !isAsked(input, true)) return undefined;
    const { incident, out } = input;
    const off = switchedOff(await typesOf(deps.ledger, incident, out.through, out.from), events);
    return off.length === 0 ? undefined : `the integration has ${off.join(', ')} off`;
  }

  /** Why no further round begins. Those that only waited for their turn under a rate have not tried anything yet. */
  async function whyOver({ out, snapshot }: DeliverInput, integration: Integration): Promise<string | undefined> {
    const [give_up_ms, now] = [giveUpOf(integration), deps.now().getTime()];
    if (!isGivenUp(snapshot, out, give_up_ms, now)) return undefined;
    if (await hasBegun(deps.ledger, out.key))
      return 'no attempt ended with an answer, and it has been tried for long enough';
    return isTooOld(out, give_up_ms, now)
      ? 'its turn under the rate never came, or nobody was there to take it, and it has waited for long enough'
      : undefined;
  }

  async function afterwards(
    input: DeliverInput,
    integration: Integration,
    channel: Channel,
    outcome: Attempted,
    begun: { attempt: number; of_round: number },
  ): Promise<Delivered> {
    const { incident, target, out, snapshot, due } = input;
    const base = {
      incident,
      target,
      delivery: out.key,
      attempt: begun.attempt,
      counted: true,
      latency_ms: outcome.latency_ms,
      ...(due === undefined ? {} : { due }),
      ...(outcome.code === undefined ? {} : { code: outcome.code }),
      ...(outcome.doubt === undefined ? {} : { doubt: outcome.doubt }),
    };
    if (outcome.kind === 'delivered') {
      deps.metrics.deliveries.inc({ channel: channel.id, outcome: 'delivered' });
      deps.metrics.deliverySeconds.observe({ channel: channel.id }, (deps.now().getTime() - out.since) / 1_000);
      return settle(
        {
          ...base,
          status: 'delivered',
          ...(channel.arrives === 'later' ? { arrives_later: true } : {}),
          ...(outcome.ref ? { ref: outcome.ref } : {}),
          ...(outcome.note === undefined ? {} : { detail: outcome.note }),
        },
        { outcome: 'delivered' },
        channel,
      );
    }
    const { reason, detail } = outcome;
    if (outcome.kind === 'rejected') {
      // What was not tried says nothing of how the integration fares.
      const counted = reason !== 'answer_lost';
      return settle({ ...base, status: 'dead', reason, detail, counted }, { outcome: 'failed', dead: true }, channel);
    }

    const achieved = outcome.ref ? { ref: outcome.ref } : {};
    // Who wants to be left alone for no time at all, or until a moment that has passed, would be asked without end.
    const counted = !(reason === 'rate_limited' && outcome.after_ms !== undefined && outcome.after_ms > 0);
    const after_ms = outcome.after_ms ?? 0;
    const wait_ms = counted
      ? Math.max(after_ms, integration.patience.backoff_ms * 2 ** (begun.of_round - 1))
      : Math.max(1, after_ms);
    const isSpent = counted && begun.of_round >= integration.patience.max_attempts;
    const ends_at = activityInfo().scheduledTimestampMs + ROUND_MS;
    const now = deps.now().getTime();
    if (!isSpent && now + wait_ms + integration.patience.timeout_ms < ends_at) {
      await recorded({ ...base, status: 'retrying', reason, detail, counted, ...achieved }, channel);
      throw again(reason, `not delivered: ${reason}`, wait_ms);
    }
    if (isLastRound(snapshot, out, giveUpOf(integration))) {
      return settle(
        { ...base, status: 'dead', reason, detail, counted, ...achieved },
        { outcome: 'failed', dead: true },
        channel,
      );
    }
    const next_at = now + Math.max(roundWait(out.round + 1), after_ms);
    return settle(
      { ...base, status: 'retrying', reason, detail, counted, ...achieved, round: out.round + 1, next_at },
      { outcome: 'failed', dead: false, after_ms },
      channel,
    );
  }

  async function settle(end: AttemptEnd, ended: Ended, channel: Channel): Promise<Delivered> {
    if (end.status === 'dead') {
      deps.metrics.deliveries.inc({ channel: channel.id, outcome: 'dead' });
      deps.log.warn(
        { delivery: end.delivery, target: end.target, failure: end.reason },
        'delivery is dead: failed after all retries',
      );
    }
    return (await recorded(end, channel)) ? ended : { outcome: 'unrecorded', ended, end: aside.put(end) };
  }

  /** Retries only the record: the message itself has gone where it went. */
  async function recorded(end: AttemptEnd, channel: Channel): Promise<boolean> {
    for (let tried = 1; tried <= RECORD_TRIES; tried++) {
      try {
        await recordAttempt(deps.ledger, end);
        announce('attempt.recorded');
        if (end.status !== 'delivered' && end.counted) await noteHealth(deps, channel, end);
        return true;
      } catch (error) {
        activityLog.warn('the ledger did not take the record of an attempt', { delivery: end.delivery, tried });
        deps.log.warn(
          { err: error, delivery: end.delivery, tried },
          'the ledger did not take the record of an attempt',
        );
        if (tried < RECORD_TRIES) await new Promise((resolve) => setTimeout(resolve, RECORD_WAIT_MS * tried));
      }
    }
    return false;
  }
}

/** What a failed attempt says of its integration. It is only a count: the delivery goes on whether it is kept or not. */
async function noteHealth(
  { ledger, log }: Deps,
  channel: Channel,
  { target, status, reason = 'unforeseen', code, detail = '' }: AttemptEnd,
): Promise<void> {
  const failed = {
    channel: channel.id,
    failure: reason,
    dead: status === 'dead',
    ...(code === undefined ? {} : { code }),
  };
  await noteFailure(ledger, target, failed, detail).then(
    (state) => {
      if (state) log.error({ target, state, failure: reason, detail }, 'an integration is not well');
    },
    (error: unknown) => log.warn({ err: error, target }, 'a failure could not be counted'),
  );
}

const giveUpOf = ({ type }: Integration): number => (type === 'webhook' ? GIVE_UP_WEBHOOK_MS : GIVE_UP_MS);

/** What a repeated activity finds already decided. */
function before(begun: NotBegun): Ended {
  switch (begun.outcome) {
    case 'delivered':
    case 'skipped':
    case 'closed':
      return { outcome: begun.outcome };
    case 'superseded':
    case 'stale':
      return { outcome: 'stale', ...(begun.unsure ? { unsure: true } : {}) };
    case 'dead':
      return { outcome: 'failed', dead: true };
    default:
      return begun satisfies never;
  }
}

/** Why a notice is not for this integration, in words; undefined when it is. */
function whySkipped(integration: Integration, input: DeliverInput): string | undefined {
  const { worst, answered_worst } = input.snapshot;
  if (!integration.enabled) return 'the integration is switched off';
  if (input.out.reason === 'resolved' && integration.config.send_resolved === false)
    return 'the integration has send_resolved: false';
  const severity = worst ?? answered_worst;
  // A story is told whole, however mild a chapter of it is.
  if (isAsked(input, false) && integration.threshold && severity && isWorse(integration.threshold, severity)) {
    return `${severity} is below the integration's threshold ${integration.threshold}`;
  }
  return undefined;
}

/** Whether its wishes are asked for: whoever heard a page hears also how it ended, whatever has become of it. */
function isAsked({ target, out: { reason }, snapshot }: DeliverInput, chapters: boolean): boolean {
  if (reason === 'story') return chapters;
  const told = snapshot.targets[target]?.told;
  return isPage(reason) || !told || told.skipped === true;
}

/** Told to Temporal as a failure that it repeats after exactly this wait. */
const again = (reason: string, words: string, after_ms: number): ApplicationFailure =>
  failureOf(reason, words, { after_ms, category: ApplicationFailureCategory.BENIGN });
