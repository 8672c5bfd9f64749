/** What an operator does with deliveries: sends them again, elsewhere or under a new key, or cancels them. */
import { type LedgerStatus, stateOf } from '../core/delivery.ts';
import { loseOpenAttempts } from './attempts.ts';
import { type Actor, audit } from './audit.ts';
import type { Ledger, Queryable, Transaction } from './db.ts';
import { procedure } from './procedure.ts';
import { buryWaiting } from './sends.ts';
import { announce } from './steps.ts';

export type Selection =
  | { ids: number[] }
  /** The oldest dead ones that nobody is sending again yet. */
  | { status: 'dead'; target?: string; since?: string; limit: number };

export interface Redelivery {
  /** Under a key of its own, so that a receiver takes it for another message. */
  new_key: boolean;
  /** To this integration instead of its own. */
  to?: { name: string; channel: string };
}

export interface Requested {
  asked: { id: number; send: number; delivery: string }[];
  refused: { id: number; why: string }[];
}

/** Why an id is refused that nobody has. */
export const NOBODY = 'no delivery has this id';

interface Row {
  id: number;
  key: string;
  incident: string | null;
  target: string;
  channel: string | null;
  status: LedgerStatus;
  attempts: number;
  /** A send of it has not ended yet. */
  busy: boolean;
}

const COLUMNS = 'd.number as id, d.key, d.incident, d.target, d.channel, d.status, d.attempts';

/**
 * Asks for deliveries to be sent again, each as a row of `sends` that the relay carries; all that can be are asked for, and of
 * the others it is said why not. `targets`: the integrations that can be told. One transaction, audited delivery by delivery.
 */
const redeliver = procedure(
  'redeliver',
  async (tx, selection: Selection, how: Redelivery, targets: string[], who: Actor): Promise<Requested> => {
    const rows = await selected(tx, selection);
    const found = new Set(rows.map(({ id }) => id));
    const ids = 'ids' in selection ? [...new Set(selection.ids)] : [];
    const refused = ids.filter((id) => !found.has(id)).map((id) => ({ id, why: NOBODY }));
    const asked: Requested['asked'] = [];
    for (const row of rows) {
      const why = whyNot(row, how, targets) ?? (await whyNotThere(tx, row, how));
      if (why === undefined) asked.push(await ask(tx, row, how, who));
      else refused.push({ id: row.id, why });
    }
    return { asked, refused };
  },
);

export async function requestRedeliveries(
  ledger: Ledger,
  selection: Selection,
  how: Redelivery,
  targets: string[],
  who: Actor,
): Promise<Requested> {
  const requested = await redeliver(ledger, selection, how, targets, who);
  announce('send.asked');
  if (requested.asked.length > 0) ledger.wake();
  return requested;
}

/** Locked before it is asked which are being sent: of two requests at once the later one finds the send of the other. */
async function selected(tx: Queryable, selection: Selection): Promise<Row[]> {
  const rows = await ('ids' in selection
    ? tx.query<Omit<Row, 'busy'>>(
        `select ${COLUMNS} from deliveries d where d.number = any($1::bigint[]) order by d.number for update of d`,
        [selection.ids],
      )
    : tx.query<Omit<Row, 'busy'>>(
        `select ${COLUMNS} from deliveries d
          where d.status = 'dead' and ($1::text is null or d.target = $1) and ($2::timestamptz is null or d.created_at >= $2)
            and not exists (select 1 from sends s where s.delivery = d.key and s.ended_at is null)
          order by d.number limit $3 for update of d`,
        [selection.target ?? null, selection.since ?? null, selection.limit],
      ));
  const sent = await tx.query<{ delivery: string }>(
    'select delivery from sends where delivery = any($1::text[]) and ended_at is null',
    [rows.map(({ key }) => key)],
  );
  const busy = new Set(sent.map(({ delivery }) => delivery));
  return rows.map((row) => ({ ...row, busy: busy.has(row.key) }));
}

function whyNot(row: Row, { to, new_key }: Redelivery, targets: string[]): string | undefined {
  if (row.incident === null) return 'it belongs to no incident';
  if (row.status === 'sending' || row.status === 'retrying')
    return `the delivery is ${stateOf(row)}: it is tried again by itself`;
  if (!to && !targets.includes(row.target)) return 'its integration is no longer in the configuration, or switched off';
  if (to?.name === row.target && !new_key) return `it is a delivery to ${to.name} already`;
  if (row.busy && !to && !new_key) return 'it is being sent again already';
  return undefined;
}

const keyElsewhere = ({ key }: Row, { to }: Redelivery): string => (to ? `${key}/to/${to.name}` : key);

async function whyNotThere(tx: Queryable, row: Row, how: Redelivery): Promise<string | undefined> {
  if (!how.to || how.new_key) return undefined;
  const [there] = await tx.query<{ id: number }>('select number as id from deliveries where key = $1', [
    keyElsewhere(row, how),
  ]);
  return there ? `it was redirected to ${how.to.name} before, as delivery ${there.id}: send that again` : undefined;
}

async function ask(tx: Queryable, row: Row, how: Redelivery, who: Actor): Promise<Requested['asked'][number]> {
  const key = how.to || how.new_key ? await copied(tx, row, how) : row.key;
  const target = how.to?.name ?? row.target;
  const [send] = await tx.query<{ id: number }>(
    `insert into sends (kind, target, delivery, requested_by) values ('redeliver', $1, $2, $3) returning id`,
    [target, key, who.by],
  );
  const detail = { ...(how.to ? { to: target } : {}), ...(key === row.key ? {} : { new_key: key }) };
  await audit(tx, who, how.to ? 'delivery.redirect' : 'send.redeliver', row.key, detail);
  return { id: row.id, send: send?.id ?? 0, delivery: key };
}

/** The same notice as a delivery of its own, which waits for its send; gives its key. */
async function copied(tx: Queryable, row: Row, how: Redelivery): Promise<string> {
  const base = keyElsewhere(row, how).replace(/\/again\d+$/, '');
  const [last] = await tx.query<{ again: number }>(
    `select count(*)::int as again from deliveries where incident = $1 and starts_with(key, $2)`,
    [row.incident, `${base}/again`],
  );
  const key = how.new_key ? `${base}/again${(last?.again ?? 0) + 1}` : base;
  await tx.query(
    `insert into deliveries (key, incident, target, channel, reason, page, level, answer_rev, through, chapter_from, status, scheduled_at, redirected_from)
     select $1, incident, $2, $3, reason, page, level, answer_rev, through, chapter_from, 'retrying', now(), number from deliveries where number = $4`,
    [key, how.to?.name ?? row.target, how.to?.channel ?? row.channel, row.id],
  );
  return key;
}

export type Cancelled =
  | { outcome: 'cancelled'; under_way: boolean }
  | { outcome: 'ended'; status: LedgerStatus }
  | { outcome: 'unknown' };

/**
 * Ends a delivery that is not over: no further attempt begins, because the beginning of one looks here first. The attempt that
 * is under way cannot be called back.
 */
export const cancelDelivery = (ledger: Ledger, id: number, who: Actor): Promise<Cancelled> =>
  ledger.transaction((tx) => cancelIn(tx, id, who));

async function cancelIn(tx: Transaction, id: number, who: Actor): Promise<Cancelled> {
  const [known] = await tx.query<{ incident: string | null }>('select incident from deliveries where number = $1', [
    id,
  ]);
  if (!known) return { outcome: 'unknown' };
  // As the beginning of an attempt: the incident's row first.
  await tx.query('select 1 from incidents where id = $1 for update', [known.incident]);
  const [row] = await tx.query<{ key: string; status: LedgerStatus }>(
    'select key, status from deliveries where number = $1 for update',
    [id],
  );
  if (!row) return { outcome: 'unknown' };
  const { key, status } = row;
  if (status !== 'sending' && status !== 'retrying') return { outcome: 'ended', status };
  await tx.query(
    `update deliveries set status = 'dead', failure = 'cancelled', detail = $2, next_at = null, ended_at = now() where key = $1`,
    [key, `cancelled by ${who.by}`],
  );
  await audit(tx, who, 'delivery.cancel', key);
  return { outcome: 'cancelled', under_way: status === 'sending' };
}

/** A send that was started so long ago and has not ended has lost its workflow: sends take five minutes at most. */
const LOST_AFTER = '15 minutes';

/** Ends the sends that were lost, and the deliveries that were waiting for them; gives how many. */
export const endLostSends = procedure('endLostSends', async (tx): Promise<number> => {
  const lost = await tx.query<{ delivery: string | null }>(
    `update sends set ended_at = now(), outcome = '{"delivered": false, "reason": "timeout", "detail": "nobody recorded how it ended"}'
      where ended_at is null and signalled_at < now() - interval '${LOST_AFTER}' returning delivery`,
  );
  await loseOpenAttempts(
    tx,
    lost.flatMap(({ delivery }) => (delivery === null ? [] : [delivery])),
  );
  for (const { delivery } of lost)
    if (delivery !== null)
      await buryWaiting(tx, delivery, 'timeout', 'sent again by hand, and nobody recorded how it ended');
  return lost.length;
});
