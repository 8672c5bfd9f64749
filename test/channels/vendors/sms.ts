/** Twilio: 201 with the message that was made. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 201, body: '{"sid":"SM00000000000000000000000000000001","status":"queued","error_code":null}' },
  at: (url) => ({ api_url: url }),
  limited: () => [
    { status: 429, body: '{"code":20429,"message":"Too Many Requests","status":429}' },
    { status: 429, headers: { 'retry-after': '3' }, body: '{"code":20429,"status":429}', after_ms: 3_000 },
    { status: 400, body: '{"code":21611,"message":"the queue is full","status":400}' },
  ],
  inside: [
    { status: 201, body: '{"sid":"SM1","status":"failed","error_code":21610}', is: 'dead' },
    { status: 201, body: '{"sid":"SM1","status":"failed","error_code":30001}', is: 'retry' },
    { status: 201, body: '{}', is: 'doubt' },
  ],
};
