/** The promises of a round, checked on what the sender kept, what the receiver met and what the ledger says. */
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import type { HitLine } from './receiver.ts';
import type { Said } from './sender.ts';

export interface Evidence {
  said: Said[];
  hits: HitLine[];
  ledger: LedgerEvidence;
}

export interface LedgerEvidence {
  events: { seq: number; id: string; service: string }[];
  /** What the incidents' timelines hold, in the order of their seq. */
  inbox: {
    seq: number;
    incident: string | null;
    batch: number | null;
    kind: string;
    event: number | null;
    by: string | null;
    answer_rev: number | null;
  }[];
  incidents: { id: string; service: string; closed: boolean; last_batch: number; notify: string[] }[];
  batches: { incident: string; number: number; signalled: boolean }[];
  deliveries: {
    key: string;
    incident: string;
    target: string;
    reason: string;
    page: boolean;
    answer_rev: number;
    through: number;
    status: string;
    why: string | null;
    superseded_by: string | null;
  }[];
  attempts: { delivery: string; started_at: number; outcome: string | null }[];
  audit: { actor: string; action: string; object: string }[];
  /** Where its chain does not hold. */
  chain: string[];
}

export async function readEvidence(ledger: Ledger): Promise<LedgerEvidence> {
  const rows = <Name extends keyof LedgerEvidence>(sql: string) =>
    ledger.query<LedgerEvidence[Name][number]>(sql) as Promise<LedgerEvidence[Name]>;
  const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;
  return {
    events: await rows<'events'>(`select seq, id, event->>'service' as service from events order by seq`),
    inbox: await rows<'inbox'>(
      `select seq, incident, batch, kind, event, by, (detail->>'answer_rev')::int as answer_rev from inbox order by seq`,
    ),
    incidents: await rows<'incidents'>(
      `select i.id, i.service, i.closed_at is not null as closed, i.last_batch, p.policy->'notify' as notify from incidents i join policies p on p.id = i.policy`,
    ),
    batches: await rows<'batches'>('select incident, number, signalled_at is not null as signalled from batches'),
    deliveries: await rows<'deliveries'>(
      'select key, incident, target, reason, page, answer_rev, through, status, coalesce(failure, detail) as why, superseded_by from deliveries order by number',
    ),
    attempts: await rows<'attempts'>(
      `select delivery, ${ms('started_at')} as started_at, outcome from attempts order by id`,
    ),
    audit: await rows<'audit'>('select actor, action, object from audit order by seq'),
    chain: (await verifyLedger(ledger, { heads: [], keys: [] })).problems,
  };
}

/** Every broken promise, in words; empty when all are kept. */
export function violations(evidence: Evidence): string[] {
  return [present, heard, extra, finished, answered, ordered, audited, chained].flatMap((promise) => promise(evidence));
}

/** An accepted event is there, once. */
function present({ said, ledger }: Evidence): string[] {
  const times = countBy(ledger.events.map(({ id }) => id));
  const accepted = new Set(said.flatMap((one) => (one.kind === 'accepted' ? [one.id] : [])));
  return [...accepted]
    .filter((id) => times.get(id) !== 1)
    .map((id) => `event ${id} was accepted and is there ${times.get(id) ?? 0} times`);
}

/** Whoever is to hear of an event's row has met a notice that speaks for it, or its delivery is dead or skipped with a reason. */
function heard({ hits, ledger }: Evidence): string[] {
  const met = new Set(hits.map(({ key }) => key));
  const incidents = new Map(ledger.incidents.map((incident) => [incident.id, incident]));
  const told = Map.groupBy(ledger.deliveries, ({ incident, target }) => `${incident} ${target}`);
  const broken: string[] = [];
  for (const { seq, incident, kind } of ledger.inbox) {
    if (incident === null || !['fired', 'resolved', 'chapter'].includes(kind)) continue;
    for (const target of incidents.get(incident)?.notify ?? []) {
      const speaks = (told.get(`${incident} ${target}`) ?? []).some(
        ({ key, through, status, why }) =>
          through >= seq && (met.has(key) || ((status === 'dead' || status === 'skipped') && why !== null)),
      );
      if (!speaks) broken.push(`${target} never heard of row ${seq} (${kind}) of ${incident}`);
    }
  }
  for (const { key, status, superseded_by, through } of ledger.deliveries) {
    if (status === 'delivered' && !met.has(key)) broken.push(`${key} is recorded as delivered and met nobody`);
    if (
      status === 'superseded' &&
      superseded_by !== null &&
      !ledger.deliveries.some((one) => one.key === superseded_by)
    )
      broken.push(`${key} was superseded by ${superseded_by}, which does not exist`);
    const carrier = ledger.deliveries.find((one) => one.key === superseded_by);
    if (status === 'superseded' && carrier && carrier.through < through)
      broken.push(`${key} (through ${through}) was superseded by ${carrier.key}, which speaks for less`);
  }
  return broken;
}

/** A message that was answered comes again only for an attempt whose answer was lost on our side. */
function extra({ hits, ledger }: Evidence): string[] {
  const lost = countBy(ledger.attempts.filter(({ outcome }) => outcome === 'lost').map(({ delivery }) => delivery));
  const broken: string[] = [];
  for (const [key, of] of Map.groupBy(hits, (hit) => hit.key)) {
    const first = of.findIndex(({ answered }) => answered);
    const more = first < 0 ? 0 : of.length - first - 1;
    if (more > (lost.get(key) ?? 0))
      broken.push(`${key} came ${more} times more after it was answered, with ${lost.get(key) ?? 0} lost attempts`);
    if (!ledger.deliveries.some((delivery) => delivery.key === key))
      broken.push(`${key} came, and the ledger does not know it`);
  }
  return broken;
}

/** Nothing is left half done. */
function finished({ ledger }: Evidence): string[] {
  return [
    ...ledger.inbox.filter(({ batch }) => batch === null).map(({ seq }) => `row ${seq} was never claimed`),
    ...ledger.incidents.filter(({ closed }) => !closed).map(({ id }) => `${id} is still open`),
    ...ledger.deliveries
      .filter(({ status }) => status === 'sending' || status === 'retrying')
      .map(({ key, status }) => `${key} is still ${status}`),
  ];
}

/**
 * An accepted acknowledgement is kept, and no page that was decided before it begins once it was answered. (What the ledger calls
 * `at` is the beginning of a transaction: of two that wait for each other it does not say which was first.)
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
    for (const attempt of ledger.attempts) {
      const page = deliveries.get(attempt.delivery);
      if (!page?.page || page.incident !== one.incident || page.answer_rev >= (ack.answer_rev ?? 0)) continue;
      if (attempt.started_at > one.at)
        broken.push(`a page of ${one.incident} began after its acknowledgement (row ${ack.seq})`);
    }
  }
  return broken;
}

/** For each incident and target what comes later speaks for no less; after the end no page comes that is older than it. */
function ordered({ hits, ledger }: Evidence): string[] {
  const deliveries = new Map(ledger.deliveries.map((delivery) => [delivery.key, delivery]));
  const broken: string[] = [];
  for (const [name, of] of Map.groupBy(hits, ({ incident, path }) => `${incident} at ${path}`)) {
    let newest: { key: string; through: number } | undefined;
    for (const { key } of of) {
      const delivery = deliveries.get(key);
      if (!delivery) continue;
      if (newest && key !== newest.key && delivery.through < newest.through)
        broken.push(
          `${name}: ${key} (through ${delivery.through}) came after ${newest.key} (through ${newest.through})`,
        );
      newest = delivery;
    }
  }
  return broken;
}

/** Every accepted command has its row in the audit. */
function audited({ said, ledger }: Evidence): string[] {
  return said.flatMap((one) =>
    one.kind !== 'acked' ||
    ledger.audit.some(
      ({ actor, action, object }) => actor === one.by && action === 'incident.ack' && object === one.incident,
    )
      ? []
      : [`the acknowledgement of ${one.incident} by ${one.by} has no row in the audit`],
  );
}

function countBy(names: string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return times;
}

/** The audit's chain holds: no row was passed over, sealed twice, or sealed and then lost. */
const chained = ({ ledger }: Evidence): string[] => ledger.chain.map((problem) => `the audit: ${problem}`);
