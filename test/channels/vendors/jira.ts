/** Jira: an issue was created. Its library is loaded on first use; here before, so that no test waits for that. */
import 'jira.js/cloud';
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 201, body: '{"id":"10001","key":"OPS-1"}' },
  at: (url) => ({ base_url: url }),
};
