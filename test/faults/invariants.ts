/** The promises of a round, checked on what the sender kept, what the receiver met and what the ledger says. */
import type { Evidence, LedgerEvidence } from './evidence.ts';
import type { Said } from './sender.ts';
import { ESCALATED, FORGOTTEN, TOLD } from './system.ts';

/** Every broken promise, in words; empty when all are kept. */
export function violations(evidence: Evidence): string[] {
  return [
    ...[present, heard, accounted, escalated, extra, finished, carried, answered, forgotten, again, ordered],
    ...[audited, chained],
  ].flatMap((promise) => promise(evidence));
}

/** An accepted event is there, once. */
function present({ said, ledger }: Evidence): string[] {
  const times = countBy(ledger.events.map(({ id }) => id));
  const accepted = new Set(said.flatMap((one) => (one.kind === 'accepted' ? [one.id] : [])));
  return [...accepted]
    .filter((id) => times.get(id) !== 1)
    .map((id) => `event ${id} was accepted and is there ${times.get(id) ?? 0} times`);
}

/**
 * Everybody whom the configuration names for an accepted event has met a notice that speaks for it, or its delivery is dead
 * with a reason; and of an end hears also whoever was paged before.
 */
function heard({ said, hits, ledger }: Evidence): string[] {
  const met = new Set(hits.filter(({ answered }) => answered).map(({ key }) => key));
  const speaks = (incident: string, target: string, seq: number): boolean =>
    ledger.deliveries.some(
      (one) =>
        one.incident === incident &&
        one.target === target &&
        !one.by_hand &&
        one.through >= seq &&
        (met.has(one.key) || (one.status === 'dead' && one.why !== null)),
    );
  const broken: string[] = [];
  for (const event of acceptedIn(said)) {
    const row = rowOf(event, said, ledger);
    if (row?.incident == null) {
      broken.push(`event ${event.id} was accepted, and is of no incident`);
      continue;
    }
    const { incident, seq } = row;
    const paged = ledger.deliveries.filter((one) => one.incident === incident && one.page && met.has(one.key));
    const targets = new Set<string>(TOLD[event.severity]);
    if (event.status === 'resolved') for (const { target } of paged) targets.add(target);
    for (const target of targets)
      if (!speaks(incident, target, seq))
        broken.push(`${target} never heard of ${event.id} (${event.status}), row ${seq} of ${incident}`);
  }
  return broken;
}

const acceptedIn = (said: Said[]): Accepted[] => [
  ...new Map(said.flatMap((one) => (one.kind === 'accepted' ? [[one.id, one] as const] : []))).values(),
];
type Accepted = Extract<Said, { kind: 'accepted' }>;

/** The timeline's row of an event; of one that says again what its alert has said before, that one's. */
function rowOf(
  event: Accepted,
  said: Said[],
  { events, inbox }: LedgerEvidence,
): LedgerEvidence['inbox'][number] | undefined {
  const kind = event.status === 'firing' ? 'fired' : 'resolved';
  const same = acceptedIn(said).filter(
    ({ dedup_key, status }) => dedup_key === event.dedup_key && status === event.status,
  );
  const own = events.findLast(({ id }) => id === event.id)?.seq ?? -1;
  const earlier = events.filter(({ id, seq }) => seq <= own && same.some((one) => one.id === id)).map(({ seq }) => seq);
  return inbox.findLast((row) => row.kind === kind && row.event !== null && earlier.includes(row.event));
}

/** Every delivery has ended in a way that can be told, and what is told of it is so. */
function accounted({ hits, ledger }: Evidence): string[] {
  const met = new Set(hits.map(({ key }) => key));
  const known = new Map(ledger.deliveries.map((delivery) => [delivery.key, delivery]));
  return ledger.deliveries.flatMap(({ key, status, why, superseded_by, through }) => {
    if (status === 'delivered' && !met.has(key)) return [`${key} is recorded as delivered and met nobody`];
    if (status === 'dead' && why === null) return [`${key} is dead, and nobody can say why`];
    if (status !== 'superseded' || superseded_by === null) return [];
    const carrier = known.get(superseded_by);
    if (!carrier) return [`${key} was superseded by ${superseded_by}, which does not exist`];
    return carrier.through < through
      ? [`${key} (through ${through}) was superseded by ${carrier.key}, which speaks for less`]
      : [];
  });
}

/** What nobody answered in time is escalated before anything else is told of it. (Decided by the clock of one workflow.) */
function escalated({ said, ledger }: Evidence): string[] {
  const critical = new Set(
    acceptedIn(said).flatMap((event) =>
      event.severity === ESCALATED.severity ? [rowOf(event, said, ledger)?.incident] : [],
    ),
  );
  return ledger.incidents.flatMap(({ id }) => {
    if (!critical.has(id)) return [];
    const of = ledger.deliveries.filter(({ incident, by_hand }) => incident === id && !by_hand);
    const unanswered = of.filter(({ page, answer_rev, reason }) => page && answer_rev === 0 && reason !== 'escalated');
    const due = Math.min(...unanswered.map(({ scheduled_at }) => scheduled_at)) + ESCALATED.after_ms;
    const later = unanswered.find(({ scheduled_at }) => scheduled_at > due);
    return ESCALATED.to
      .filter((to) => later && !of.some(({ target, reason }) => target === to && reason === 'escalated'))
      .map((to) => `${id} was never escalated to ${to}, though nobody had answered when ${later?.key} was decided`);
  });
}

/**
 * A message comes again only for an attempt whose answer was lost on our side, and under the same key: no more often than it
 * was attempted, after it was answered no more often than answers were lost, and never as another notice that says the same.
 */
function extra({ hits, ledger }: Evidence): string[] {
  const unanswered = ledger.attempts.filter(({ outcome, doubt }) => outcome === 'lost' || doubt === 'lost');
  const lost = countBy(unanswered.map(({ delivery }) => delivery));
  const attempts = countBy(ledger.attempts.map(({ delivery }) => delivery));
  const deliveries = new Map(ledger.deliveries.map((delivery) => [delivery.key, delivery]));
  const broken: string[] = [];
  const said = new Map<string, string>();
  for (const [key, of] of Map.groupBy(hits, (hit) => hit.key)) {
    const delivery = deliveries.get(key);
    if (!delivery) {
      broken.push(`${key} came, and the ledger does not know it`);
      continue;
    }
    const first = of.findIndex(({ answered }) => answered);
    const more = first < 0 ? 0 : of.length - first - 1;
    if (more > (lost.get(key) ?? 0))
      broken.push(`${key} came ${more} times more after it was answered, with ${lost.get(key) ?? 0} lost attempts`);
    if (of.length > (attempts.get(key) ?? 0))
      broken.push(`${key} came ${of.length} times, with ${attempts.get(key) ?? 0} attempts`);
    if (delivery.by_hand) continue; // Told again on purpose.
    const says = newsOf(delivery);
    const before = said.get(says);
    if (before !== undefined) broken.push(`${key} says to ${delivery.target} again what ${before} has said`);
    said.set(says, key);
  }
  return broken;
}

/** Reasons by which a group is told for the first time: whichever comes first, there is one. */
const FIRST = ['group_now', 'group_count', 'group_wait'];

/**
 * What a notice tells whom. In a round each of these is told once: nothing repeats within it, and no level is reached twice;
 * only to a group may come more, and that is another row.
 */
function newsOf({ incident, target, reason, answer_rev, through }: LedgerEvidence['deliveries'][number]): string {
  const news = FIRST.includes(reason) ? 'first' : reason === 'group_interval' ? `${reason} ${through}` : reason;
  return `${incident} ${target} ${news} ${answer_rev}`;
}

/** Nothing is left half done. */
function finished({ ledger }: Evidence): string[] {
  return [
    ...ledger.inbox.filter(({ batch }) => batch === null).map(({ seq }) => `row ${seq} was never claimed`),
    ...ledger.incidents.filter(({ closed }) => !closed).map(({ id }) => `${id} is still open`),
    ...ledger.deliveries
      .filter(({ status }) => status === 'sending' || status === 'retrying')
      .map(({ key, status }) => `${key} is still ${status}`),
    ...ledger.sends.filter(({ ended }) => !ended).map(({ id }) => `what was asked for by hand (${id}) has not ended`),
  ];
}

/**
 * Each row of a batch is in one that there is, and a batch that nobody is known to have signalled is of an incident that has
 * ended: its workflow had it from the ledger, or from a signal whose answer was lost.
 */
function carried({ ledger }: Evidence): string[] {
  const closed = new Set(ledger.incidents.flatMap((incident) => (incident.closed ? [incident.id] : [])));
  const there = new Set(ledger.batches.map(({ incident, number }) => `${incident} ${number}`));
  return [
    ...ledger.inbox
      .filter(({ incident, batch }) => incident !== null && (batch ?? 0) > 0 && !there.has(`${incident} ${batch}`))
      .map(({ seq, incident, batch }) => `row ${seq} is in batch ${batch} of ${incident}, which does not exist`),
    ...ledger.batches
      .filter(({ incident, signalled }) => !signalled && !closed.has(incident))
      .map(({ incident, number }) => `batch ${number} of ${incident} was never signalled`),
  ];
}

/**
 * An accepted acknowledgement is kept, and no page begins once it was accepted; one that is under way then is named by the
 * answer. By two fields: a page with the revision of the acknowledgement (or a later one) was decided after it, and none
 * of a round may be; an older page's attempt must have started before the answer was there. (What the ledger calls `at` of
 * the acknowledgement is the beginning of its transaction: of two that wait for each other it does not say which was first.)
 */
function answered({ said, ledger }: Evidence): string[] {
  const broken: string[] = [];
  const deliveries = new Map(ledger.deliveries.map((delivery) => [delivery.key, delivery]));
  for (const one of said) {
    if (one.kind !== 'acked') continue;
    const ack = ledger.inbox.find(
      ({ kind, incident, by }) => kind === 'ack' && incident === one.incident && by === one.by,
    );
    if (!ack) {
      broken.push(`the acknowledgement of ${one.incident} by ${one.by} was accepted and is not there`);
      continue;
    }
    for (const { delivery, started_at, ended_at } of ledger.attempts) {
      const page = deliveries.get(delivery);
      if (!page?.page || page.incident !== one.incident || page.by_hand) continue;
      if (page.answer_rev >= takenBack(ack, ledger)) continue;
      if (page.answer_rev >= (ack.answer_rev ?? 0))
        broken.push(`${delivery} was decided after the acknowledgement (row ${ack.seq}), and sent`);
      else if (started_at > one.at)
        broken.push(`a page of ${one.incident} began after its acknowledgement (row ${ack.seq})`);
      else if (one.begun && (ended_at === null || ended_at > one.at) && !one.begun.includes(delivery))
        broken.push(`${delivery} was under way when ${one.incident} was acknowledged, and the answer does not name it`);
    }
  }
  return broken;
}

type Row = LedgerEvidence['inbox'][number];
const isTimeout = ({ kind, by }: Row): boolean => kind === 'ack_timed_out' && by === 'tocsin';

/** The revision by which the pipeline took an acknowledgement back; never, where it did not. */
function takenBack(ack: Row, { inbox }: LedgerEvidence): number {
  const over = inbox.find(
    (row) => isTimeout(row) && row.incident === ack.incident && row.answer_rev === (ack.answer_rev ?? 0) + 1,
  );
  return over?.answer_rev ?? Number.POSITIVE_INFINITY;
}

/**
 * An acknowledgement is taken back by the pipeline only where the configuration says so, not before its time, and once; and
 * whoever is told then is told of that.
 */
function forgotten({ said, hits, ledger }: Evidence): string[] {
  const met = new Set(hits.map(({ key }) => key));
  const forgetful = new Set(
    acceptedIn(said).flatMap((event) => (event.type === FORGOTTEN.type ? [rowOf(event, said, ledger)?.incident] : [])),
  );
  return ledger.inbox.filter(isTimeout).flatMap((row) => {
    const { incident, answer_rev } = row;
    const broken: string[] = [];
    const ack = ledger.inbox.find(
      (one) => one.kind === 'ack' && one.incident === incident && one.answer_rev === (answer_rev ?? 0) - 1,
    );
    if (!forgetful.has(incident))
      broken.push(`the acknowledgement of ${incident} was taken back, and nobody wanted it`);
    if (!ack) broken.push(`row ${row.seq} takes an acknowledgement of ${incident} back that was not there`);
    else if (row.at - ack.at < FORGOTTEN.after_ms)
      broken.push(`the acknowledgement of ${incident} was taken back after ${row.at - ack.at} ms`);
    const told = ledger.deliveries.filter(
      (one) => one.incident === incident && one.reason === row.kind && one.answer_rev === answer_rev,
    );
    // Its end may have come first: then that is what everybody hears.
    const isOver = ledger.deliveries.some((one) => one.incident === incident && one.reason === 'resolved');
    if (!isOver && !told.some(({ key }) => met.has(key)))
      broken.push(`the acknowledgement of ${incident} was taken back, and nobody heard of it`);
    return broken;
  });
}

/** What an operator has sent again has come, or is dead with a reason. */
function again({ said, hits, ledger }: Evidence): string[] {
  const met = new Set(hits.filter(({ answered }) => answered).map(({ key }) => key));
  return said.flatMap((one) => {
    if (one.kind !== 'redelivered') return [];
    const copy = ledger.deliveries.find(({ key }) => key === one.delivery);
    if (!copy?.by_hand) return [`${one.delivery} was to be sent again, and is not there`];
    return met.has(copy.key) || (copy.status === 'dead' && copy.why !== null)
      ? []
      : [`${one.delivery} was to be sent again, and never came`];
  });
}

/** For each incident and target what comes later speaks for no less; after the end no page comes that is older than it. */
function ordered({ hits, ledger }: Evidence): string[] {
  const deliveries = new Map(ledger.deliveries.map((delivery) => [delivery.key, delivery]));
  const broken: string[] = [];
  for (const [name, of] of Map.groupBy(hits, ({ incident, path }) => `${incident} at ${path}`)) {
    let newest: { key: string; through: number } | undefined;
    for (const { key } of of) {
      const delivery = deliveries.get(key);
      if (!delivery || delivery.by_hand) continue;
      if (newest && key !== newest.key && delivery.through < newest.through)
        broken.push(
          `${name}: ${key} (through ${delivery.through}) came after ${newest.key} (through ${newest.through})`,
        );
      newest = delivery;
    }
  }
  return broken;
}

/** Every accepted command has its row in the audit, and every answer of the pipeline's own. */
function audited({ said, ledger }: Evidence): string[] {
  const has = (action: string, object: string | null, actor?: string): boolean =>
    ledger.audit.some(
      (row) => row.action === action && row.object === object && (actor === undefined || row.actor === actor),
    );
  return [
    ...said.flatMap((one) =>
      one.kind === 'acked' && !has('incident.ack', one.incident, one.by)
        ? [`the acknowledgement of ${one.incident} by ${one.by} has no row in the audit`]
        : [],
    ),
    ...said.flatMap((one) =>
      one.kind === 'redelivered' && !has('send.redeliver', one.delivery.replace(/\/again\d+$/, ''))
        ? [`that ${one.delivery} was to be sent again has no row in the audit`]
        : [],
    ),
    ...ledger.inbox
      .filter((row) => isTimeout(row) && !has('incident.ack_timed_out', row.incident, 'tocsin'))
      .map(({ incident }) => `that ${incident} waits again has no row in the audit`),
  ];
}

function countBy(names: string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return times;
}

/** The audit's chain holds: no row was passed over, sealed twice, or sealed and then lost. */
const chained = ({ ledger }: Evidence): string[] => ledger.chain.map((problem) => `the audit: ${problem}`);
