/** Slack: 200 with a JSON that says ok. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '{"ok":true,"channel":"C0123ABCD","ts":"1.2"}' },
  at: (url) => ({ api_url: `${url}/api/` }),
};
