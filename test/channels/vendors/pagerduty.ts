/** PagerDuty: 202 with a JSON that says success. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 202, body: '{"status":"success","message":"Event processed","dedup_key":"INC-1"}' },
  at: (url) => ({ api_url: url }),
  limited: () => [
    // It names no time; its documentation does.
    { status: 429, body: '{"status":"throttle exceeded","message":"Retry later."}', after_ms: 30_000 },
    { status: 429, headers: { 'retry-after': '90' }, body: '', after_ms: 90_000 },
  ],
  inside: [{ status: 202, body: '{"status":"error","message":"later"}', is: 'retry' }],
  // Events of one key are one incident: there is nothing to doubt.
  page: 'retry',
};
