/** Slack's incoming webhooks: 200 and one word. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = { accepts: { body: 'ok' }, at: (url) => ({ url, urls: {} }) };
