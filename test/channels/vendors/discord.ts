/** Discord's webhooks: 200 and the message that was posted. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '{"id":"1200000000000000001","channel_id":"1100000000000000001"}' },
  at: (url) => ({ url: `${url}/api/webhooks/123456789012345678/fake-token` }),
  limited: () => [
    {
      status: 429,
      headers: { 'retry-after': '1', 'x-ratelimit-reset-after': '0.349', 'x-ratelimit-scope': 'user' },
      body: '{"message":"You are being rate limited.","retry_after":0.349,"global":false}',
      after_ms: 1_000,
    },
    {
      status: 429,
      body: '{"message":"You are being rate limited.","retry_after":0.349,"global":false}',
      after_ms: 349,
    },
    { status: 429, headers: { 'content-type': 'text/html' }, body: '<html>error code: 1015' },
  ],
  inside: [{ status: 200, body: '{"message":"Unknown error","code":0}', is: 'doubt' }],
  // Nobody can be asked, and a gateway's page let nothing through.
  page: 'retry',
};
