/** The Apprise API: 200 with a JSON that names no error. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '{"error":null,"details":[]}' },
  at: (url) => ({ api_url: url }),
  limited: () => [{ status: 429, headers: { 'retry-after': '7' }, body: '', after_ms: 7_000 }],
  inside: [{ status: 200, body: '{"error":"later","details":[]}', is: 'retry' }],
  // The server keeps nothing that could be asked for, and a gateway's page let nothing through.
  page: 'retry',
};
