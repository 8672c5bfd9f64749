/** Slack: 200 with a JSON that says ok. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '{"ok":true,"channel":"C0123ABCD","ts":"1.2"}' },
  at: (url) => ({ api_url: `${url}/api/` }),
  limited: () => [
    { status: 429, headers: { 'retry-after': '30' }, body: '{"ok":false,"error":"ratelimited"}', after_ms: 30_000 },
    { status: 200, body: '{"ok":false,"error":"ratelimited"}' },
  ],
  inside: [
    { status: 200, body: '{"ok":false,"error":"channel_not_found"}', is: 'dead' },
    { status: 200, body: '{"ok":false,"error":"service_unavailable"}', is: 'retry' },
    { status: 200, body: '{"ok":false,"error":"internal_error"}', is: 'doubt' },
  ],
  // Nobody can be asked without a further scope; a page comes from a gateway that let nothing through.
  page: 'retry',
};
