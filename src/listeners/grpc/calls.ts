/** The three calls of the gRPC door: requests as the bodies of the HTTP doors, and what came of them. */
import { Problem } from '../../http/problem.ts';
import type { Actor } from '../../ledger/audit.ts';
import { commandNamed } from '../../ledger/created.ts';
import type { Ledger } from '../../ledger/db.ts';
import type { Scope } from '../../ledger/keys.ts';
import type { Outcome, Outcomes, Waits } from '../../ledger/outcomes.ts';
import { parseOwn } from '../../sources/events.ts';
import type { ListenerDeps } from '../listener.ts';

/** A message as proto-loader reads it: what was not set is not there. */
export type Message = Record<string, unknown>;

export interface CallDeps {
  ledger: Ledger;
  keep: ListenerDeps['keep'];
  waits: Waits;
  now: () => Date;
  /** What the ids of incidents begin with, as the relay has it. */
  prefix?: string | undefined;
}

/** Who asks, and how long an answer is any use. */
export interface Asked {
  who: (by?: string) => Actor;
  /** Until its deadline; Infinity where it has none. */
  left_ms: () => number;
  signal: AbortSignal;
}

export interface Call {
  scope: Scope;
  /** Throws Problem, or what the ledger throws. */
  answer(request: Message, asked: Asked): Promise<Message>;
}

/** As POST /v1/incidents waits for the id of what it creates, and as long as anybody may wait. */
const OPENS_WITHIN_MS = 2_000;
const WAIT_MAX_MS = 30_000;
/** Of what is left until the deadline: the answer has to arrive before it. */
const SPARE_MS = 200;
/** As long as over HTTP. */
const TEXT_MAX = { resolved_by: 200, notes: 4_000 } as const;
const SOURCE = 'grpc';

export const callsOf = (deps: CallDeps): Readonly<Record<string, Call>> => ({
  SubmitAlert: {
    scope: 'ingest',
    async answer(request, asked) {
      const { event, isNew, wait_ms } = await kept('alert', request, deps);
      const found =
        wait_ms === undefined ? undefined : await deps.waits.told([event], within(wait_ms, asked), asked.signal);
      return answerOf(event.id, isNew, found, found?.outcomes ?? []);
    },
  },
  CreateIncident: {
    scope: 'ingest',
    async answer(request, asked) {
      const { event, isNew, wait_ms } = await kept('incident', request, deps);
      const found =
        wait_ms === undefined
          ? await deps.waits.open([event], within(OPENS_WITHIN_MS, asked), asked.signal)
          : await deps.waits.told([event], within(wait_ms, asked), asked.signal);
      return answerOf(event.id, isNew, found, wait_ms === undefined ? [] : found.outcomes);
    },
  },
  ResolveIncident: {
    scope: 'operator',
    async answer(request, { who }) {
      const id = textIn(request, 'incident_id', 200);
      if (id === undefined) throw wrong('incident_id', 'is required');
      const by = textIn(request, 'resolved_by', TEXT_MAX.resolved_by);
      const text = textIn(request, 'notes', TEXT_MAX.notes);
      const command = { kind: 'resolve' as const, ...(text !== undefined && { text }) };
      const result = await commandNamed(deps.ledger, id, command, who(by), deps.prefix);
      switch (result.outcome) {
        case 'done':
        case 'already':
          return {
            incident_id: result.incident.id,
            status: result.incident.status,
            already: result.outcome === 'already',
            ...(result.by !== undefined && { by: result.by }),
          };
        case 'unknown':
          throw new Problem('not-found', 'no incident has this id');
        case 'closed':
          throw new Problem('closed', `${result.incident.id} is closed: it takes no more commands`);
        case 'refused':
          throw new Problem('conflict', result.why);
        default:
          return result satisfies never;
      }
    },
  },
});

async function kept(kind: 'alert' | 'incident', { wait, annotations, ...fields }: Message, { keep, now }: CallDeps) {
  const wait_ms = wait === undefined ? undefined : waitOf(wait);
  const occurred_at = fields.occurred_at === undefined ? undefined : timeOf(fields.occurred_at);
  const body = { ...fields, annotations, occurred_at };
  const event = parseOwn(kind, body, now());
  if (Array.isArray(event)) throw new Problem('invalid', 'the request is not valid', { errors: event });
  const { accepted } = await keep([event], SOURCE);
  return { event, isNew: accepted.length > 0, wait_ms };
}

function answerOf(id: string, isNew: boolean, found: Outcomes | undefined, outcomes: Outcome[]): Message {
  const [incident_id] = found?.incidents ?? [];
  const results = outcomes.map(({ incident, ...rest }) => ({ incident_id: incident, ...rest }));
  return { id, duplicate: !isNew, ...(incident_id !== undefined && { incident_id }), results };
}

const within = (wait_ms: number, { left_ms }: Asked): number => Math.max(0, Math.min(wait_ms, left_ms() - SPARE_MS));

const wrong = (field: string, problem: string): Problem =>
  new Problem('invalid', `${field} ${problem}`, { errors: [{ field, problem }] });

/** A google.protobuf.Duration or Timestamp, in milliseconds. */
const msOf = (value: unknown): number => {
  const { seconds = 0, nanos = 0 } = value as { seconds?: number; nanos?: number };
  return seconds * 1_000 + Math.floor(nanos / 1e6);
};

function waitOf(value: unknown): number {
  const ms = msOf(value);
  if (ms < 0 || ms > WAIT_MAX_MS) throw wrong('wait', 'must be a duration of at most 30 s');
  return ms;
}

/** The last moment that a Timestamp may name (google/protobuf/timestamp.proto). */
const YEAR_10000_MS = Date.parse('9999-12-31T23:59:59Z');

function timeOf(value: unknown): string {
  const ms = msOf(value);
  if (!(ms > 0 && ms <= YEAR_10000_MS)) throw wrong('occurred_at', 'must be a time since 1970');
  return new Date(ms).toISOString();
}

/** A text of people, or nothing where it is empty. */
function textIn(request: Message, field: string, max: number): string | undefined {
  const { [field]: value } = request;
  if (typeof value !== 'string' || value === '') return undefined;
  if (value.length > max) throw wrong(field, `must not be longer than ${max} characters`);
  if (value.includes('\0')) throw wrong(field, 'must not hold a NUL character');
  return value.toWellFormed();
}
