/** A user's own receiver: any 2xx. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { body: '' },
  at: (url) => ({ url }),
  limited: (now) => [
    { status: 429, headers: { 'retry-after': '7' }, body: '', after_ms: 7_000 },
    {
      status: 429,
      headers: { 'retry-after': new Date(now.getTime() + 60_000).toUTCString() },
      body: '',
      after_ms: 60_000,
    },
    { status: 429, body: '' },
  ],
  page: 'sent',
  byStatus: true,
};
