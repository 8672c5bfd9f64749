/** What rounds are run on: a Tocsin whose parts can be started, struck and examined. */
import type { Client } from '@temporalio/client';
import type { Ledger } from '../../src/ledger/db.ts';
import type { Line } from '../support/tcp-proxy.ts';
import type { Blow, Failpoint, Victim } from './plan.ts';

/** A kind of it: what may strike it, and how one is started. */
export interface Kind {
  /** What may strike it by the clock; the first six have their turn in the first ten rounds, two in each. */
  blows: readonly Blow[];
  /** Whom a failpoint may kill. */
  victims: readonly Victim[];
  start(input: {
    receiver: string;
    failpoints: Failpoint[];
    /** Of a workflow's history: after so many events it is to begin a new one. */
    events_max?: number;
  }): Promise<System>;
}

export interface System {
  urls: string[];
  key: string;
  /** Starts whatever does not run, with these failpoints. Resolves when it takes events, or has ended again. */
  begin(failpoints: Failpoint[]): Promise<void>;
  /** Resolves when a part of it has ended that does not start again by itself. */
  ended(): Promise<void>;
  /** To the process of a part, where it runs. */
  signal(part: string, signal: NodeJS.Signals): void;
  /** Between two of its parts. Throws where it has none of that name. */
  line(name: string): Line;
  /** Kills everything; Temporal begins with an empty database. */
  loseTemporal(): void;
  /** Of its Temporal, which may be down. */
  temporal: Client;
  /** Everything its processes have written. */
  output(): string;
  /** Ends all of it by kill -9 and opens the ledger as the crash left it. */
  autopsy(): Promise<Ledger>;
  /** Leaves nothing behind. */
  remove(): Promise<void>;
}

/**
 * One webhook that takes everything, one that misbehaves; critical alerts page at once, warnings a little later, and of those
 * that are forgotten an acknowledgement is taken back.
 */
export const configFor = (receiver: string): string => `
integrations:
  good: { type: webhook, url: '${receiver}/good', timeout: 1s, backoff: 200ms }
  rough: { type: webhook, url: '${receiver}/rough', timeout: 1s, backoff: 200ms }
escalations:
  on-call: { levels: [ { notify: [good], wait: 1s }, { notify: [rough], wait: 1h } ] }
  forgetful: { levels: [ { notify: [good], wait: 1h } ], ack_timeout: ${FORGOTTEN.after_ms}ms }
routes:
  - { name: critical, match: [ 'severity="critical"' ], group_wait: 0s, notify: [good], escalate: on-call }
  - { name: forgotten, match: [ 'type="${FORGOTTEN.type}"' ], escalate: forgetful }
default: { group_by: [service], group_wait: 300ms, group_interval: 500ms, notify: [good, rough] }
egress: { allow: ['127.0.0.0/8'] }
`;

/** What is acknowledged and then forgotten: the pipeline takes the acknowledgement back after so long. */
export const FORGOTTEN = { type: 'forgotten', after_ms: 400 } as const;

/**
 * Whom that configuration promises to tell of an event. Written by hand: what the rounds expect is said by no code of Tocsin's.
 */
export const TOLD = { critical: ['good'], warning: ['good', 'rough'] } as const;

/** And whom of what is critical, when nobody has answered for so long after it was told. */
export const ESCALATED = { severity: 'critical', to: ['rough'], after_ms: 1_000 } as const;
