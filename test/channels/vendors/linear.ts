/** Linear: an issue was created; the same answer serves what is asked after that. */
import type { Vendor } from './vendor.ts';

const issue = {
  id: '5f0e9f3c-6f0b-4c58-9b1e-0f6f5b0f0a01',
  identifier: 'OPS-1',
  url: 'https://linear.app/x/issue/OPS-1',
};

export const vendor: Vendor = {
  accepts: { body: JSON.stringify({ data: { issueCreate: { success: true, issue } } }) },
  at: (url) => ({ api_url: `${url}/graphql` }),
  limited: (now) => [
    { status: 400, body: '{"errors":[{"message":"x","extensions":{"code":"RATELIMITED"}}]}' },
    {
      status: 400,
      headers: { 'x-ratelimit-requests-remaining': '0', 'x-ratelimit-requests-reset': String(now.getTime() + 20_000) },
      body: '{"errors":[{"message":"x","extensions":{"type":"ratelimited"}}]}',
      after_ms: 20_000,
    },
    { status: 429, headers: { 'retry-after': '5' }, body: '', after_ms: 5_000 },
  ],
  inside: [
    { status: 200, body: '{"errors":[{"message":"x","extensions":{"type":"invalid input"}}]}', is: 'dead' },
    { status: 200, body: '{"errors":[{"message":"x","extensions":{"code":"RATELIMITED"}}]}', is: 'retry' },
    { status: 200, body: '{"errors":[{"message":"x","extensions":{"type":"internal error"}}]}', is: 'doubt' },
    { status: 200, body: '{"data":{"issueCreate":{"success":false}}}', is: 'doubt' },
  ],
};
