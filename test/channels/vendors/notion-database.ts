/** Notion: one answer that is a database, a data source, an empty list and a page at once; a conflict passes. */
import type { Vendor } from './vendor.ts';

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
};
