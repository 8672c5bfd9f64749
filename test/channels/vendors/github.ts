/** GitHub: who we are, the comments so far (none), the comment. */
import type { Vendor } from './vendor.ts';

const COMMENT = '{"id":1,"body":"","user":{"id":2}}';

const SLOWER = '{"message":"You have exceeded a secondary rate limit."}';
const usedUp = (now: Date) => ({
  'x-ratelimit-remaining': '0',
  'x-ratelimit-reset': String(now.getTime() / 1_000 + 90),
});

export const vendor: Vendor = {
  accepts: {
    body: COMMENT,
    answer: (method, path) => (method === 'GET' && path.endsWith('/comments') ? '[]' : COMMENT),
  },
  at: (url) => ({ api_url: url }),
  limited: (now) => [
    { status: 403, headers: { 'retry-after': '30' }, body: SLOWER, after_ms: 30_000 },
    { status: 403, body: SLOWER, after_ms: 60_000 },
    { status: 429, headers: usedUp(now), body: '{"message":"API rate limit exceeded"}', after_ms: 90_000 },
    { status: 403, headers: usedUp(now), body: '{"message":"API rate limit exceeded"}', after_ms: 90_000 },
  ],
  inside: [{ status: 200, body: '{"message":"Server Error"}', is: 'doubt' }],
};
