/** Statements on PGlite, each parsed and planned once: one message in and one out instead of PGlite's six. */
import { type PGlite, protocol } from '@electric-sql/pglite';
import { createMessages, type Messages } from './messages.ts';

/** What PGlite's own `query` gives back of a failed statement: pg's names for it. */
export class StatementError extends Error {
  readonly code: string | undefined;
  readonly detail: string | undefined;
  readonly constraint: string | undefined;
  constructor(
    message: string,
    more: { code?: string | undefined; detail?: string | undefined; constraint?: string | undefined },
  ) {
    super(message);
    this.name = 'StatementError';
    this.code = more.code;
    this.detail = more.detail;
    this.constraint = more.constraint;
  }
}

interface Prepared {
  name: string;
  params: number[];
  columns: { name: string; type: number }[];
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const IN_FAILED_TRANSACTION = '25P02';
export const NOT_COMMITTED = 'nothing was committed: a statement of the transaction had failed';
/** Our statements are some hundred, each of a fixed text; more than this are somebody's tests. */
const PREPARED_MAX = 500;
/**
 * A plan suits the tables as they were when it was made. Made while they are empty it reads them from end to end for ever, or takes
 * an index that tells hardly any of their rows apart: a look at 30,000 alerts was eight times as slow (measured). So tables
 * are looked at after so many statements, and where one has twice its size, plans are made anew.
 */
const LOOK_AFTER = 200;
const GROWTH = 2;
const SIZES = `select coalesce(json_object_agg(oid, pg_relation_size(oid)), '{}')::text as sizes from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`;
/**
 * PGlite has no checkpointer: its write-ahead log would grow until the disk is full (1.6 KB an event), and a start after a
 * kill would read all of it. So there is a checkpoint after so much of it, as max_wal_size brings about on a server
 * (https://www.postgresql.org/docs/current/wal-configuration.html); with less between two of them each takes some 90 ms, and
 * old segments are used again, none of which has to be filled with zeros first (30 to 45 ms).
 */
const CHECKPOINT_BYTES = 128 * 1024 * 1024;
const SINCE_CHECKPOINT =
  'select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::bigint as bytes from pg_control_checkpoint()';
const { serialize, Parser } = protocol;
const SYNC = serialize.sync();
const EXECUTE = serialize.execute({});

export interface Statements {
  /** Rows of one statement, which `begins` a transaction or not; throws StatementError. */
  run(sql: string, params: readonly unknown[], begins?: boolean): Record<string, unknown>[];
}

/** `db` must have nothing else to do: statements run one after the other, on its one connection. */
export function createStatements(db: PGlite): Statements {
  const prepared = new Map<string, Prepared>();
  let numbered = 0;
  let done = 0;
  let isInTransaction = false;
  let sizes: Record<string, number> = {};

  const messages = createMessages();
  const exchange = (write: (into: Messages) => void): Answer => {
    messages.clear();
    write(messages);
    const answer: Answer = { params: [], columns: [], rows: [], isInTransaction };
    new Parser().parse(db.execProtocolRawSync(messages.all()), (message) => read(message as Message, answer));
    isInTransaction = answer.isInTransaction;
    if (answer.error) throw answer.error;
    return answer;
  };

  const prepare = (sql: string): Prepared => {
    const known = prepared.get(sql);
    if (known) return known;
    const name = `s${++numbered}`;
    const { params, columns } = exchange((into) =>
      into.add(serialize.parse({ name, text: sql }), serialize.describe({ type: 'S', name }), SYNC),
    );
    const made = { name, params, columns };
    prepared.set(sql, made);
    if (prepared.size > PREPARED_MAX) forget(prepared.keys().next().value as string);
    return made;
  };

  const forget = (sql: string): void => {
    const { name } = prepared.get(sql) as Prepared;
    prepared.delete(sql);
    exchange((into) => into.add(serialize.close({ type: 'S', name }), SYNC));
  };

  const keepLogShort = (): void => {
    const { rows } = exchange((into) => into.add(serialize.query(SINCE_CHECKPOINT)));
    if (Number(rows[0]?.[0] ?? 0) < CHECKPOINT_BYTES) return;
    try {
      exchange((into) => into.add(serialize.query('checkpoint')));
    } catch (error) {
      // Of a full disk, say: nothing is lost, the log goes on, and the next look tries again. Whoever asked has not failed.
      if (!(error instanceof StatementError)) throw error;
    }
  };

  const replanWhereGrown = (): void => {
    const { rows } = exchange((into) => into.add(serialize.query(SIZES)));
    const now = JSON.parse(rows[0]?.[0] ?? '{}') as Record<string, number>;
    const hasGrown = Object.entries(now).some(([table, size]) => size > 0 && size >= GROWTH * (sizes[table] ?? 0));
    if (!hasGrown) return;
    sizes = now;
    exchange((into) => into.add(serialize.query('discard plans')));
  };

  return {
    run(sql, params, begins = false) {
      if (++done >= LOOK_AFTER && !isInTransaction) {
        done = 0;
        replanWhereGrown();
        keepLogShort();
      }
      const begin = begins ? prepare('begin') : undefined;
      const { name, params: types, columns } = prepare(sql);
      const values = params.map((value, at) => inText(db, value, types[at]));
      const { rows, tag } = exchange((into) => {
        if (begin) {
          into.bind(begin.name, []);
          into.add(EXECUTE);
        }
        into.bind(name, values);
        into.add(EXECUTE, SYNC);
      });
      // A transaction in which a statement has failed answers a commit by rolling back, and calls that no error.
      if (tag === 'ROLLBACK' && sql === 'commit')
        throw new StatementError(NOT_COMMITTED, { code: IN_FAILED_TRANSACTION });
      return rows.map((fields) =>
        Object.fromEntries(
          columns.map(({ name: column, type }, at) => [column, fromText(db, fields[at] ?? null, type)]),
        ),
      );
    },
  };
}

/** The array types of the statements we have: `text[]` is nearly every list, and most of its texts are digests. */
const TEXTS = 1009;

function inText(db: PGlite, value: unknown, type = 0): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (type === TEXTS && Array.isArray(value)) return textsOf(value);
  return db.serializers[type]?.(value) ?? String(value);
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
const textsOf = (values: readonly unknown[]): string =>
  `{${values.map((value) => (value === null || value === undefined ? 'NULL' : `"${escaped(String(value))}"`)).join(',')}}`;
const escaped = (text: string): string => (/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text);

interface Answer {
  params: number[];
  columns: { name: string; type: number }[];
  rows: (string | null)[][];
  isInTransaction: boolean;
  /** The command tag: `INSERT 0 3`, `COMMIT`. */
  tag?: string;
  error?: StatementError;
}

type Message = { name: string } & Partial<{
  dataTypeIDs: number[];
  fields: { name: string; dataTypeID: number }[] & (string | null)[];
  message: string;
  code: string;
  detail: string;
  constraint: string;
  text: string;
  status: string;
}>;

function read(message: Message, answer: Answer): void {
  switch (message.name) {
    case 'parameterDescription':
      answer.params = message.dataTypeIDs ?? [];
      break;
    case 'rowDescription':
      answer.columns = (message.fields ?? []).map(({ name, dataTypeID }) => ({ name, type: dataTypeID }));
      break;
    case 'dataRow':
      answer.rows.push(message.fields ?? []);
      break;
    case 'error':
      answer.error ??= new StatementError(message.message ?? 'the statement failed', message);
      break;
    case 'commandComplete':
      if (message.text !== undefined) answer.tag = message.text;
      break;
    case 'readyForQuery':
      answer.isInTransaction = message.status !== 'I';
      break;
    default: // Nobody asks for the rest.
  }
}

/** int8: every count and seq we will ever have fits a JavaScript number. */
const INT8 = 20;

function fromText(db: PGlite, text: string | null, type: number): unknown {
  if (text === null) return null;
  if (type === INT8) return Number(text);
  return db.parsers[type]?.(text, type) ?? text;
}
