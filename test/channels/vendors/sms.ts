/** Twilio: 201 with the message that was made. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 201, body: '{"sid":"SM00000000000000000000000000000001","status":"queued","error_code":null}' },
  at: (url) => ({ api_url: url }),
};
