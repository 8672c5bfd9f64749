/** What the conformance tests have to know of a channel's vendor; one file for each channel, by its id. */
export interface Vendor {
  /** What the vendor answers over HTTP when all is well; absent for channels that do not speak HTTP. */
  accepts?: {
    status?: number;
    body: string;
    /** Where one delivery takes several requests that are answered differently: the body for each. */
    answer?(method: string, path: string): string;
  };
  /** Statuses after which this vendor wants to be asked again, besides 408, 425, 429 and 5xx. */
  passing?: number[];
  /** The fields of the configuration that lead to a server at this address (http://127.0.0.1:…) instead of the vendor's. */
  at?(url: string): Record<string, unknown>;
}
