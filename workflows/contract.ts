/** The names and inputs of the workflows: all that clients import. */
import type { Batch, Incident, Opening } from '../src/core/incident.ts';

export const TASK_QUEUE = 'tocsin';

/** One incident, from its first alert to its close; the workflow id is the incident's. */
export const INCIDENT = 'incident';
/** One notice outside any incident: a test of an integration, a redelivery. */
export const SEND_ONE = 'sendOne';
/** The page of a day, written by a schedule or by hand. */
export const DAILY_SUMMARY = 'dailySummary';

/** Signals of `incident`: a claimed batch of its inbox; a nudge to look into the ledger. */
export const BATCH = 'batch';
export const NUDGE = 'nudge';
/** Query of `incident`: its state. */
export const STATE = 'state';

/** Search attributes, all of type Keyword. They are never encrypted: only words that may stand in clear. */
export const SEARCH_ATTRIBUTES = {
  status: 'TocsinStatus',
  severity: 'TocsinSeverity',
  service: 'TocsinService',
  route: 'TocsinRoute',
} as const;

export interface IncidentInput {
  opening: Opening;
  /** The batch that opened it; later ones are signals. Runs that a signal has started have none. */
  first?: Batch;
  /** The state of the run before, after continue-as-new. */
  resume?: Incident;
}

export interface SendInput {
  send: number;
}

export interface SummaryInput {
  name: string;
  /** YYYY-MM-DD in the summary's time zone; absent: the day on which the schedule fired. */
  date?: string;
}

/** A service name as a search attribute and a summary may show it: ≤ 64 of [\w.-]. */
export const clear = (word: string): string => word.replace(/[^\w.-]+/g, '_').slice(0, 64);
