/** The chain as the ledger has it: verified in place, or written out as JSON lines that can be verified without a ledger. */
import type { Ledger, Queryable } from '../db.ts';
import type { Head, Manifest, Sealed, Tombstone } from './link.ts';
import { manifestMessage } from './link.ts';
import { endOf, WRITTEN } from './seal.ts';
import type { AuditKey } from './signing.ts';
import { createVerifier, type Known, type Link, type Report, type Verifier } from './verify.ts';

/** Rows read at once. */
const PAGE = 1_000;

/** Verifies the chain in the ledger, as it is at one moment. */
export const verifyLedger = (ledger: Ledger, known: Known): Promise<Report> =>
  asOfNow(ledger, async (tx) => {
    const verifier = createVerifier(known);
    verifier.tombstones(await tombstonesOf(tx));
    verifier.heads(await headsOf(tx));
    await eachLink(tx, (link) => verifier.link(link));
    await lookBeside(tx, verifier);
    return verifier.end();
  });

/** Rows that no seal speaks for: waiting ones are told, others should not be. */
async function lookBeside(tx: Queryable, verifier: Verifier): Promise<void> {
  const [beside] = await tx.query<{ waiting: number; never: number | null; lost: number | null }>(
    `select (select count(*)::int from audit_unsealed) as waiting,
            (select min(seq) from audit a where not exists (select 1 from audit_seals s where s.seq = a.seq)
                and not exists (select 1 from audit_unsealed u where u.seq = a.seq)) as never,
            (select min(seq) from audit_unsealed u where not exists (select 1 from audit a where a.seq = u.seq)) as lost`,
  );
  if (!beside) return;
  if (beside.never !== null)
    verifier.problem(
      `seq ${beside.never}: no seal speaks for this row: its seal was removed, or it was put in beside the sealer`,
    );
  if (beside.lost !== null) verifier.problem(`seq ${beside.lost}: its row was deleted before it was sealed`);
  if (beside.waiting > 0) verifier.note(`${beside.waiting} rows wait for their seal`);
}

/**
 * Hands over the chain line by line: tombstones, heads, rows, and a manifest, each a JSON object with its `kind`. The manifest
 * is signed where there is a key. Returns it.
 */
export const exportLedger = (
  ledger: Ledger,
  { key, now, line }: { key: AuditKey | undefined; now: Date; line: (text: string) => void },
): Promise<Manifest> =>
  asOfNow(ledger, async (tx) => {
    const tombstones = await tombstonesOf(tx);
    for (const one of tombstones) line(JSON.stringify({ kind: 'tombstone', ...one }));
    for (const one of await headsOf(tx)) line(JSON.stringify({ kind: 'head', ...one }));
    await eachLink(tx, (one) => line(JSON.stringify({ kind: 'row', ...one })));
    const end = await endOf(tx);
    const bare: Manifest = {
      first: (tombstones.at(-1)?.last ?? 0) + 1,
      last: end.number,
      at: now.toISOString(),
      hash: end.hash,
    };
    const manifest = key?.signed(bare, manifestMessage) ?? bare;
    line(JSON.stringify({ kind: 'manifest', ...manifest }));
    return manifest;
  });

type Line =
  | ({ kind: 'tombstone' } & Tombstone)
  | ({ kind: 'head' } & Head)
  | ({ kind: 'row' } & Link)
  | ({ kind: 'manifest' } & Manifest);

/** Verifies an export. A line that is none of ours is a problem, and so is a file without its manifest. */
export async function verifyLines(lines: AsyncIterable<string>, known: Known): Promise<Report> {
  const verifier = createVerifier(known);
  const tombstones: Tombstone[] = [];
  const heads: Head[] = [];
  let begun = false;
  let ended = false;
  const begin = (): void => {
    if (begun) return;
    begun = true;
    verifier.tombstones(tombstones);
    verifier.heads(heads);
  };
  let at = 0;
  for await (const text of lines) {
    at++;
    if (text === '') continue;
    const line = lineIn(text);
    if (ended || !line || (begun && (line.kind === 'tombstone' || line.kind === 'head'))) {
      verifier.problem(`line ${at}: this is no line that an export has here`);
      continue;
    }
    const { kind, ...value } = line;
    if (kind === 'tombstone') tombstones.push(value as Tombstone);
    else if (kind === 'head') heads.push(value as Head);
    else {
      begin();
      if (kind === 'row') verifier.link(value as Link);
      else {
        ended = true;
        verifier.manifest(value as Manifest);
      }
    }
  }
  begin();
  if (!ended) verifier.problem(`line ${at}: the file has no manifest at its end: it was cut off`);
  return verifier.end();
}

const KINDS: Readonly<Record<Line['kind'], readonly string[]>> = {
  tombstone: ['first', 'last', 'at', 'hash'],
  head: ['number', 'at', 'hash'],
  row: ['number', 'seq', 'hash'],
  manifest: ['first', 'last', 'at', 'hash'],
};

function lineIn(text: string): Line | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const fields = KINDS[value?.kind as Line['kind']];
  return fields?.every((field) => field in value) ? (value as unknown as Line) : undefined;
}

/** One look at one moment, however long it takes; nothing is written. */
const asOfNow = <T>(ledger: Ledger, look: (tx: Queryable) => Promise<T>): Promise<T> =>
  ledger.patiently(async (tx) => {
    await tx.query('set transaction isolation level repeatable read, read only');
    return look(tx);
  });

const ISO_MS = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`;

const tombstonesOf = async (tx: Queryable): Promise<Tombstone[]> =>
  (
    await tx.query<Nullable<Tombstone>>(
      `select first_number as first, last_number as last, to_char(at at time zone 'UTC', ${ISO_MS}) as at, hash, key, signature from audit_tombstones order by first_number`,
    )
  ).map(withoutNulls);

const headsOf = async (tx: Queryable): Promise<Head[]> =>
  (
    await tx.query<Nullable<Head>>(
      `select number, to_char(h.at at time zone 'UTC', ${ISO_MS}) as at, hash, key, signature from audit_heads h order by number, h.at`,
    )
  ).map(withoutNulls);

type Nullable<Value> = { [Name in keyof Value]: Value[Name] | null };
const withoutNulls = <Value>(row: Nullable<Value>): Value =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Value;

async function eachLink(tx: Queryable, take: (link: Link) => void): Promise<void> {
  for (let after = 0; ; ) {
    const page = await tx.query<Sealed & { sealed_seq: number; action: string | null }>(
      `select s.number, s.hash, s.seq as sealed_seq, ${WRITTEN} from audit_seals s left join audit a on a.seq = s.seq
        where s.number > $1 order by s.number limit ${PAGE}`,
      [after],
    );
    for (const { sealed_seq, ...row } of page)
      take(row.action === null ? { number: row.number, seq: sealed_seq, hash: row.hash, gone: true } : row);
    after = page.at(-1)?.number ?? after;
    if (page.length < PAGE) return;
  }
}
