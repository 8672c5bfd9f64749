/** Telegram: 200 with a JSON that says ok. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '{"ok":true,"result":{"message_id":5,"date":1768487522,"chat":{"id":-1001234567890}}}' },
  at: (url) => ({ api_url: url }),
};
