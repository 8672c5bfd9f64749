/** Jira: an issue was created. Its library is loaded on first use; here before, so that no test waits for that. */
import 'jira.js/cloud';
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 201, body: '{"id":"10001","key":"OPS-1"}' },
  at: (url) => ({ base_url: url }),
  limited: (now) => [
    {
      status: 429,
      headers: { 'retry-after': '7', 'ratelimit-reason': 'jira-burst-based' },
      body: '{"errorMessages":["Rate limit exceeded."]}',
      after_ms: 7_000,
    },
    {
      status: 429,
      headers: { 'x-ratelimit-reset': new Date(now.getTime() + 58_000).toISOString() },
      body: '',
      after_ms: 58_000,
    },
  ],
  inside: [{ status: 200, body: '{"errorMessages":["oops"],"errors":{}}', is: 'doubt' }],
};
