/** Notion: one answer that is a database, a data source, an empty list and a page at once; a conflict passes. */
import type { Vendor } from './vendor.ts';

const refusal = (status: number, code: string): string =>
  JSON.stringify({ object: 'error', status, code, message: 'of Notion' });

export const vendor: Vendor = {
  accepts: {
    body: JSON.stringify({
      object: 'page',
      id: '0123456789abcdef0123456789abcdef',
      url: 'https://www.notion.so/0123456789abcdef0123456789abcdef',
      data_sources: [{ id: 'd1', name: 'Incidents' }],
      properties: { Name: { id: 'title', name: 'Name', type: 'title', title: {} } },
      results: [],
    }),
  },
  passing: [409],
  at: (url) => ({ base_url: url }),
  limited: () => [
    { status: 429, headers: { 'retry-after': '7' }, body: refusal(429, 'rate_limited'), after_ms: 7_000 },
    { status: 529, headers: { 'retry-after': '7' }, body: refusal(529, 'service_overload'), after_ms: 7_000 },
  ],
  inside: [
    { status: 200, body: refusal(500, 'internal_server_error'), is: 'doubt' },
    { status: 200, body: '{}', is: 'doubt' },
  ],
};
