/** Discord's webhooks: 200 and the message that was posted. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '{"id":"1200000000000000001","channel_id":"1100000000000000001"}' },
  at: (url) => ({ url: `${url}/api/webhooks/123456789012345678/fake-token` }),
};
