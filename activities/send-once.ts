/** sendOnce: a test of an integration or of its credentials, or a delivery sent again by hand. */
import { activityInfo } from '@temporalio/activity';
import { type Channel, delivered, type Failure } from '../src/channels/channel.ts';
import type { Integration } from '../src/config/integrations.ts';
import type { Death } from '../src/core/delivery.ts';
import type { Doubt } from '../src/core/doubt.ts';
import type { Notice } from '../src/core/notice.ts';
import { noteSuccess } from '../src/ledger/health.ts';
import {
  beginRedelivery,
  buryWaiting,
  endSend,
  type HandEnd,
  isSendCancelled,
  messagesOf,
  type Redeliverable,
  recordRedelivery,
  redeliverableByKey,
  type Send,
  sendOf,
} from '../src/ledger/sends.ts';
import { announce } from '../src/ledger/steps.ts';
import { overtakenWorking } from '../src/ledger/working.ts';
import { alive } from './alive.ts';
import { type Attempted, attempt, checkOnce, noticeOf } from './attempt.ts';
import type { Deps } from './deps.ts';
import { failureOf } from './failure.ts';
import { asked } from './writers.ts';

/** As many attempts as the workflow's retry policy makes. */
const ATTEMPTS = 4;

/** What a person can do who asked for a send that failed so. */
const ADVICE: Readonly<Record<Failure | Death, string>> = {
  rate_limited: 'the provider wants fewer messages: wait and try again',
  timeout: 'it did not answer in time: check the address, and that it is up',
  network: 'check the host and the port, that it is up, and that it can be reached from the worker',
  server: 'the provider has trouble: try again, and look at its status page',
  auth: 'check the credentials and what they may do',
  config: 'check the settings of the integration',
  payload: 'the provider did not take this message: check the settings of the integration',
  gone: 'what it leads to is not there any more: make it anew at the provider, and give the new address here',
  blocked: 'if this address is meant, list it under egress.allow',
  unforeseen: 'the log of the worker has all of it',
  cancelled: 'nothing: somebody wanted it so',
  answer_lost: 'see whether it is there; if not, send it again',
  disabled: 'mend what has disabled the integration, then enable it',
  not_arrived: 'see what the provider says of this message',
};

export function createSendOnce(deps: Deps) {
  const noticeAgain = (
    { key, incident, reason, level, through, chapter_from }: Redeliverable,
    attempts: number,
  ): ReturnType<typeof noticeOf> =>
    noticeOf(deps, {
      incident,
      reason: reason as Notice['reason'],
      through,
      ...(level === null ? {} : { level }),
      ...(chapter_from === null ? {} : { from: chapter_from }),
      delivery: { key, attempt: attempts },
    });

  return alive(sendOnce);

  async function sendOnce({ send: id }: { send: number }): Promise<{ outcome: string }> {
    const send = await sendOf(deps.ledger, id);
    if (!send) return { outcome: 'unknown' };
    // Who asks has perhaps just changed it, in another process.
    const integration = await deps.integrationNamed(send.target, 'now');
    if (send.kind === 'check' && !('missing' in integration) && integration.kind === 'writer') {
      return end(send, await checkOnce(deps, integration, asked(integration.type)));
    }
    const channel = 'missing' in integration ? undefined : deps.channelOf(integration.type);
    if ('missing' in integration || !channel) {
      const detail = 'missing' in integration ? integration.missing : `${integration.type} takes no messages`;
      if (send.delivery !== null) await buryWaiting(deps.ledger, send.delivery, 'config', detail);
      return end(send, { kind: 'rejected', reason: 'config', detail });
    }
    if (send.kind === 'check') return end(send, await checkOnce(deps, integration, channel));

    const delivery = send.delivery === null ? undefined : await redeliverableByKey(deps.ledger, send.delivery);
    if (delivery && (await isSendCancelled(deps.ledger, id)))
      return end(send, { kind: 'rejected', reason: 'cancelled', detail: 'an operator cancelled it' });
    if (delivery && (await overtakenWorking(deps.ledger, delivery))) {
      await endSend(deps.ledger, id, { delivered: false, reason: 'superseded', detail: 'the incident has moved on' });
      return { outcome: 'superseded' };
    }
    if (!delivery) return test(send, integration, channel);

    const begun = await beginRedelivery(deps.ledger, { send: id, key: delivery.key });
    if (begun.outcome === 'delivered') return end(send, delivered());
    announce('send.begun');
    const outcome = await attempt(deps, integration, channel, await noticeAgain(delivery, begun.attempts), {
      ...(await messagesOf(deps.ledger, delivery)),
      ...(begun.doubt ? { doubt: begun.doubt } : {}),
    });
    announce('send.sent');
    const ended = endOf(outcome, channel, begun.attempt);
    if (outcome.kind === 'retry' && activityInfo().attempt < ATTEMPTS) {
      await recordRedelivery(deps.ledger, delivery, { ...ended, status: 'retrying' });
      throw failureOf(outcome.reason, `not delivered: ${outcome.reason}`, { after_ms: outcome.after_ms });
    }
    await recordRedelivery(deps.ledger, delivery, ended);
    announce('send.recorded');
    return end(send, outcome);
  }

  /** Made once: Temporal makes another attempt only where nobody knows how the first one ended. */
  async function test(send: Send, integration: Integration, channel: Channel): Promise<{ outcome: string }> {
    const doubt: { doubt?: Doubt } = activityInfo().attempt > 1 ? { doubt: 'lost' } : {};
    const outcome = await attempt(deps, integration, channel, testNotice(send), doubt);
    if (outcome.kind === 'delivered') await noteSuccess(deps.ledger, send.target);
    return end(send, outcome);
  }

  async function end(send: Send, outcome: Ended): Promise<{ outcome: string }> {
    const isDelivered = outcome.kind === 'delivered';
    const why = isDelivered ? {} : { reason: outcome.reason, detail: outcome.detail };
    const error = isDelivered ? {} : { error: `${outcome.detail}. What to do: ${ADVICE[outcome.reason]}` };
    const note = isDelivered && outcome.note !== undefined ? { note: outcome.note } : {};
    await endSend(deps.ledger, send.id, { delivered: isDelivered, ...why, ...error, ...note });
    return { outcome: isDelivered ? 'delivered' : outcome.reason };
  }
}

/** How a send ended: by an attempt, or before one. */
type Ended =
  | { kind: 'delivered'; note?: string }
  | { kind: 'retry' | 'rejected'; reason: Failure | Death; detail: string };

/** An attempt as the ledger keeps it. */
function endOf(outcome: Attempted, channel: Channel, attempt: number): HandEnd {
  const { code, latency_ms, doubt } = outcome;
  const base = {
    attempt,
    latency_ms,
    ...(code === undefined ? {} : { code }),
    ...(doubt === undefined ? {} : { doubt }),
  };
  if (outcome.kind !== 'delivered') return { ...base, status: 'dead', reason: outcome.reason, detail: outcome.detail };
  return {
    ...base,
    status: 'delivered',
    ...(channel.arrives === 'later' ? { arrives_later: true } : {}),
    ...(outcome.ref ? { ref: outcome.ref } : {}),
    ...(outcome.note === undefined ? {} : { detail: outcome.note }),
  };
}

/** What an integration is tested with: says of itself that it is a test. */
function testNotice({ id, requested_by, requested_at }: Send): Notice {
  const at = requested_at.toISOString();
  return {
    reason: 'test',
    headline: 'Test of this integration',
    lines: [`Asked for by ${requested_by}. If you can read this, notifications arrive here.`],
    incident: {
      id: `TEST-${id}`,
      status: 'open',
      severity: 'info',
      title: 'Test of this integration',
      route: 'test',
      alert_count: 0,
      firing_count: 0,
      opened_at: at,
      first_at: at,
      last_at: at,
    },
    components: [],
    alerts: [],
    more: 0,
    links: [],
    delivery: { key: `test/${id}`, attempt: 1 },
    at,
  };
}
