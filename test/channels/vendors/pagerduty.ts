/** PagerDuty: 202 with a JSON that says success. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 202, body: '{"status":"success","message":"Event processed","dedup_key":"INC-1"}' },
  at: (url) => ({ api_url: url }),
};
