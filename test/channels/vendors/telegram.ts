/** Telegram: 200 with a JSON that says ok. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '{"ok":true,"result":{"message_id":5,"date":1768487522,"chat":{"id":-1001234567890}}}' },
  at: (url) => ({ api_url: url }),
  limited: () => [
    {
      status: 429,
      body: '{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 17","parameters":{"retry_after":17}}',
      after_ms: 17_000,
    },
    { status: 429, headers: { 'retry-after': '4' }, body: 'slow down', after_ms: 4_000 },
  ],
  inside: [
    { status: 200, body: '{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}', is: 'dead' },
    { status: 200, body: '{"ok":false,"error_code":500,"description":"Internal Server Error"}', is: 'doubt' },
    { status: 200, body: '{"ok":true}', is: 'doubt' },
  ],
};
