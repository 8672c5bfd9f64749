/** What the conformance tests have to know of a channel's vendor; one file for each channel, by its id. */
import type { Spoilt } from '../../support/gate.ts';

/** What the pipeline makes of an outcome: it is there; nobody will have it; it is tried again; nobody knows whether it is there. */
export type Class = 'sent' | 'dead' | 'retry' | 'doubt';
type Said = Exclude<Spoilt, string>;

export interface Vendor {
  /** What the vendor answers over HTTP when all is well; absent for channels that do not speak HTTP. */
  accepts?: {
    status?: number;
    body: string;
    /** Where one delivery takes several requests that are answered differently: the body for each. */
    answer?(method: string, path: string): string;
  };
  /** Every way in which this vendor says "too many", said at `now`, with the milliseconds it wants to be left alone; none where it names none. */
  limited?(now: Date): (Said & { after_ms?: number })[];
  /** Errors that it tells inside an answer whose status says that all is well; absent where only the status tells. */
  inside?: (Said & { is: Class })[];
  /** A page of somebody in between, with status 200, is "doubt" unless it says something else here, with the reason beside it. */
  page?: Class;
  /** The status is the whole answer: once it is there, the body may hang, drip or break off. */
  byStatus?: true;
  /** Statuses after which this vendor wants to be asked again, besides 408, 425, 429 and 5xx. */
  passing?: number[];
  /** The fields of the configuration that lead to a server at this address (http://127.0.0.1:…) instead of the vendor's. */
  at?(url: string): Record<string, unknown>;
}
