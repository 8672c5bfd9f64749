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
};
