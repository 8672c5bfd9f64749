/** A workflow of Power Automate: 202 and nothing. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 202, body: '' },
  at: (url) => ({ url: `${url}/workflows/1/triggers/manual/paths/invoke?sig=fake` }),
  limited: () => [
    {
      status: 429,
      headers: { 'retry-after': '12' },
      body: '{"error":{"code":"TooManyRequests","message":"Rate limit is exceeded."}}',
      after_ms: 12_000,
    },
    { status: 200, body: 'Microsoft Teams endpoint returned HTTP error 429 with ContextId 1' },
  ],
  inside: [{ status: 200, body: 'Microsoft Teams endpoint returned HTTP error 413 with ContextId 1', is: 'retry' }],
  // Nobody can be asked, and a gateway's page let nothing through.
  page: 'retry',
};
