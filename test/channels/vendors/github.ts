/** GitHub: who we are, the comments so far (none), the comment. */
import type { Vendor } from './vendor.ts';

const COMMENT = '{"id":1,"body":"","user":{"id":2}}';

export const vendor: Vendor = {
  accepts: {
    body: COMMENT,
    answer: (method, path) => (method === 'GET' && path.endsWith('/comments') ? '[]' : COMMENT),
  },
  at: (url) => ({ api_url: url }),
};
