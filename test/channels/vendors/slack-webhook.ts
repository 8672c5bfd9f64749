/** Slack's incoming webhooks: 200 and one word. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: 'ok' },
  at: (url) => ({ url, urls: {} }),
  limited: () => [{ status: 429, headers: { 'retry-after': '30' }, body: 'rate_limited', after_ms: 30_000 }],
  inside: [{ status: 200, body: 'rollup_error', is: 'retry' }],
  // As with the bot: nobody can be asked, and a gateway's page let nothing through.
  page: 'retry',
};
